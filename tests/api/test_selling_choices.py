"""The owner's choices of how things are sold, as the commands ask for them over the admin socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.selling_choices import TemplateCalls, plan_routes, rule_routes
from rheod.domain.ad_text import Part, Template
from rheod.usecases import ending
from rheod.usecases.owner_choices import AdTemplates
from rheod.usecases.placer import AdDresser, FixedWords
from rheod.usecases.transaction import Store
from tests.api.running import NOW_MS, Api
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
        more = [
            *calls.routes(),
            *rule_routes(api.parts.relisting, deadline_s=5),
            *plan_routes(api.parts.ending, deadline_s=5),
        ]
        app = build_admin(AdminContext(api=api.parts, status=no_status), more=more)
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


async def change(admin: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    async with admin.patch(path, json=body) as reply:
        return reply.status, await reply.json()


async def test_a_rule_is_changed_by_what_is_named(admin: aiohttp.ClientSession) -> None:
    """What is not named stays; without a floor none is switched on."""
    assert (await change(admin, "/relist/rule", {"enabled": True}))[0] == 422
    given = {"enabled": True, "floor": 0.5, "steps": [0.9, "-10%"], "round": 9, "belowReserve": "lower"}
    status, rule = await change(admin, "/relist/rule", given)
    assert (status, {name: rule[name] for name in given}) == (200, given)
    assert (rule["times"], rule["waitH"], rule["then"], rule["locked"]) == (3, 24, "not_listed", False)
    _, rule = await change(admin, "/relist/rule", {"times": 5})
    assert (rule["times"], rule["floor"]) == (5, 0.5)
    for wrong in ({"steps": [1.5]}, {"floor": 0}, {"then": "sell"}, {"round": 2}):
        assert (await change(admin, "/relist/rule", wrong))[0] == 422
    async with admin.get("/relist/rule") as reply:
        assert await reply.json() == rule


async def test_a_plan_of_ends_is_changed_by_what_is_named(admin: aiohttp.ClientSession, api: Api) -> None:
    """Windows are read before they are kept; a bound of 0 is none; what the settings file says is locked."""
    given = {"windows": ["Sun-Thu 19:00-21:30"], "perWindow": 9, "durations": [3, 7]}
    status, plan = await change(admin, "/schedule/plan", given)
    assert (status, {name: plan[name] for name in given}) == (200, given)
    assert (plan["spacingMin"], plan["perCategory"], plan["locked"]) == (2, None, False)
    _, plan = await change(admin, "/schedule/plan", {"perWindow": 0})
    assert (plan["perWindow"], plan["windows"]) == (None, given["windows"])
    assert (await change(admin, "/schedule/plan", {"windows": ["at night"]}))[0] == 422
    _, plan = await change(admin, "/schedule/plan", {"windows": []})
    assert plan["windows"] == []
    fixed = (await api.parts.ending.owners_choice())[0]
    await api.database.write(lambda db: ending.note_settings(db, fixed, now=NOW_MS))
    assert (await change(admin, "/schedule/plan", {"spacingMin": 5}))[0] == 409
