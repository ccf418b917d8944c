"""Every operation of the document, walked with valid and invalid requests: each answer is what the document says."""

from __future__ import annotations

import os
from dataclasses import fields
from random import Random

import pytest

from rheod.api.context import Rates
from tests.api.contract.stocked import hooks_that_call_nobody, stocked
from tests.api.contract.walker import Walker
from tests.api.running import OpenApi

ROUNDS = int(os.environ.get("RHEOD_WALK", "20"))
"""Requests of each operation."""

SEED = int(os.environ.get("RHEOD_WALK_SEED", "4"))
MORE_ROUNDS = 20
NO_LIMIT = Rates(**{each.name: 1e6 for each in fields(Rates)})

REFUSED: tuple[tuple[dict[str, str | None], set[int]], ...] = (
    ({"x-api-key": None, "Authorization": None}, {401}),
    ({"x-partner-account": "nobody"}, {404}),
    ({"x-partner-account": "member-2"}, {409}),
    ({"Content-Type": "text/plain"}, {415}),
    ({"Content-Encoding": "gzip"}, {415}),
)
"""Headers, and the statuses that some operations must answer to them."""


@pytest.mark.timeout(600)
async def test_every_answer_of_every_operation_is_the_documented_one(open_api: OpenApi) -> None:
    """No 5xx, no undocumented status or code, no field that is not told; valid requests are not called invalid."""
    async with hooks_that_call_nobody() as hooks:
        api = await open_api(rates=NO_LIMIT, hooks=hooks)
        walker = Walker(api=api, document=await stocked(api), rng=Random(SEED))
        faults = [fault for _ in range(ROUNDS) for fault in await walker.round()]
        for _ in range(
            MORE_ROUNDS
        ):  # chance may have passed by an operation that needs what another one makes
            faults += await walker.round(kind="valid") if walker.never_succeeded() else []
    assert faults == []
    assert walker.refused == []
    assert walker.never_succeeded() == [], walker.seen
    for method, path, operation in walker.operations:
        seen = walker.seen[f"{method} {path}"]
        assert "requestBody" not in operation or max(seen) >= 400, f"{method} {path} took everything: {seen}"


async def test_every_refusal_at_the_gate_is_told(open_api: OpenApi) -> None:
    """Without credentials, for another account, with another type of body and at the stop: each operation says so."""
    removed: set[str] = set()
    stopping: list[bool] = []
    async with hooks_that_call_nobody() as hooks:
        api = await open_api(
            rates=NO_LIMIT, hooks=hooks, removed_accounts=removed, stopping=lambda: bool(stopping)
        )
        walker = Walker(api=api, document=await stocked(api), rng=Random(SEED))
        removed.add(str(api.parts.account_of_reference("member-2")))
        for headers, wanted in REFUSED:
            faults, statuses = await walker.refused_with(headers)
            assert (faults, statuses & wanted) == ([], wanted)
        stopping.append(True)
        faults, statuses = await walker.refused_with({})
        assert (faults, 503 in statuses) == ([], True)
