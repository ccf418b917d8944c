"""Every operation of the document, walked with valid and invalid requests: each answer is what the document says."""

from __future__ import annotations

import os
from dataclasses import fields
from random import Random
from typing import Any

import pytest

from rheod.api.parts import Rates
from tests.api.contract.walker import CONTAINER, Walker
from tests.api.running import Api, OpenApi

ROUNDS = int(os.environ.get("RHEOD_WALK", "20"))
"""Requests of each operation."""

SEED = int(os.environ.get("RHEOD_WALK_SEED", "4"))
MORE_ROUNDS = 20
NO_LIMIT = Rates(**{each.name: 1e6 for each in fields(Rates)})


async def prepared(api: Api) -> Any:
    """Things to be found: a container and a picture. Gives the document."""
    await api.call("PUT", f"/integration/v1/items/{CONTAINER}", {"title": "Volvo XC90", "type": "container"})
    document = (await api.call("GET", "/openapi.json")).body
    told = {
        each["name"]: each.get("example")
        for each in document["paths"]["/images/{folder}/{file}"]["get"]["parameters"]
        if "name" in each
    }
    folder = api.parts.image_folder / str(told["folder"])
    folder.mkdir(parents=True)
    (folder / str(told["file"])).write_bytes(b"\xff\xd8\xff\xe0 test picture")
    return document


@pytest.mark.timeout(600)
async def test_every_answer_of_every_operation_is_the_documented_one(open_api: OpenApi) -> None:
    """No 5xx, no undocumented status or code, no field that is not told; valid requests are not called invalid."""
    api = await open_api(rates=NO_LIMIT)
    walker = Walker(api=api, document=await prepared(api), rng=Random(SEED))
    faults = [fault for _ in range(ROUNDS) for fault in await walker.round()]
    for _ in range(MORE_ROUNDS):  # chance may have passed by an operation that needs what another one makes
        faults += await walker.round(kind="valid") if walker.never_succeeded() else []
    assert faults == []
    assert walker.refused == []
    assert walker.never_succeeded() == [], walker.seen
    for name, seen in walker.seen.items():
        assert any(status >= 400 for status in seen), f"{name} never refused: {seen}"
