"""The owner's rule for returns and plan for ends, as the commands ask for them over the admin socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.selling_choices import plan_routes, rule_routes
from rheod.usecases import ending
from tests.api.running import NOW_MS, Api


async def no_status() -> dict[str, object]:
    return {}


@pytest.fixture
async def admin(api: Api, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the socket."""
    more = [
        *rule_routes(api.parts.relisting, deadline_s=5),
        *plan_routes(api.parts.ending, deadline_s=5),
    ]
    app = build_admin(AdminContext(api=api.parts, status=no_status), more=more)
    runner = await start_admin(app, tmp_path / "a.sock")
    async with aiohttp.ClientSession(
        "http://admin", connector=aiohttp.UnixConnector(str(tmp_path / "a.sock"))
    ) as session:
        yield session
    await runner.cleanup()


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
