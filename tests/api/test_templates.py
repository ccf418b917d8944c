"""The templates of ads, as the commands ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.selling_choices import TemplateCalls
from rheod.domain.ad_text import Part, Template
from rheod.usecases.owner_choices import AdTemplates
from rheod.usecases.placer import AdDresser, FixedWords
from rheod.usecases.transaction import Store
from tests.api.running import Api
from tests.stores import Clock, opened


async def no_status() -> dict[str, object]:
    return {}


@pytest.fixture
async def admin(api: Api, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the socket of a rheod whose settings have a header."""
    dresser = AdDresser(FixedWords(templates=(Template(part=Part.HEADER, text="fixed"),)))
    async with opened(tmp_path / "own") as database:
        store = Store(database=database, now=Clock(), rng=Random(1), wake=lambda _queue: None)
        calls = TemplateCalls(templates=AdTemplates(store=store, dresser=dresser), body_deadline_s=5)
        app = build_admin(AdminContext(api=api.parts, status=no_status), more=calls.routes())
        runner = await start_admin(app, tmp_path / "a.sock")
        connector = aiohttp.UnixConnector(str(tmp_path / "a.sock"))
        async with aiohttp.ClientSession("http://admin", connector=connector) as session:
            yield session
        await runner.cleanup()


async def put(admin: aiohttp.ClientSession, body: Any) -> tuple[int, Any]:
    async with admin.put("/templates", json=body) as reply:
        return reply.status, await reply.json() if reply.status != 204 else None


async def listed(admin: aiohttp.ClientSession) -> list[dict[str, Any]]:
    async with admin.get("/templates") as reply:
        found: list[dict[str, Any]] = (await reply.json())["templates"]
        return found


async def test_a_template_is_kept_shown_and_taken_away(admin: aiohttp.ClientSession) -> None:
    """With what it is for, and whether the settings file has it."""
    given = {"part": "footer", "text": "Art {externalId}", "account": None, "category": 302571}
    assert await put(admin, given) == (204, None)
    fixed = {"part": "header", "text": "fixed", "account": None, "category": None, "locked": True}
    assert await listed(admin) == [{**given, "locked": False}, fixed]
    assert await put(admin, {**given, "text": ""}) == (204, None)
    assert await listed(admin) == [fixed]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"part": "header", "text": "mine"}, 409),
        ({"part": "middle", "text": "x"}, 422),
        ({"part": "footer"}, 422),
        ({"part": "footer", "text": "{nothing}"}, 422),
        ({"part": "footer", "text": "x", "category": "1"}, 422),
        ({"part": "footer", "text": "x" * 2001}, 422),
        ([], 422),
    ],
)
async def test_what_cannot_be_kept_is_refused(admin: aiohttp.ClientSession, body: Any, status: int) -> None:
    """Each with words; nothing is kept of it."""
    assert (await put(admin, body))[0] == status
    assert len(await listed(admin)) == 1
