"""The dashboard's password by the admin socket, and that it opens the dashboard."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.management import PasswordCalls, new_password
from tests.web.running import pages


async def _no_status() -> dict[str, object]:
    return {}


async def test_a_made_password_and_a_wanted_one_open_the_dashboard(tmp_path: Path) -> None:
    """The first call makes one, the next takes the owner's; each voids the one before, and a short one is refused."""
    async with pages(tmp_path / "data") as (one, _):
        parts = one.parts
        calls = PasswordCalls(sessions=parts.sessions, audit=parts.audit, body_deadline_s=5)
        socket = tmp_path / "admin.sock"
        admin = build_admin(AdminContext(api=parts.api, status=_no_status), more=calls.routes())
        runner = await start_admin(admin, socket)
        async with aiohttp.ClientSession(
            "http://admin", connector=aiohttp.UnixConnector(str(socket))
        ) as asked:
            assert await (await asked.get("/password")).json() == {"isSet": False}
            made = (await (await asked.post("/password")).json())["password"]
            assert await (await asked.get("/password")).json() == {"isSet": True}
            assert await one.sign_in(made) == 303
            short = await asked.post("/password", json={"password": "short"})
            assert short.status == 422
            assert await one.sign_in(made) == 303
            wanted = await asked.post("/password", json={"password": " test-secret-wanted "})
            assert wanted.status == 201
            assert await one.sign_in("test-secret-wanted") == 303
            assert await one.sign_in(made) == 403
        await runner.cleanup()
        deeds = [deed.action for deed in await parts.audit.latest(limit=10)]
        assert deeds.count("set password") == 2
        assert not any(made in f"{deed}" for deed in await parts.audit.latest(limit=10))


def test_made_passwords_are_long_and_differ() -> None:
    """Five groups of four letters, and never the same twice."""
    made = {new_password() for _ in range(200)}
    assert len(made) == 200
    assert {len(one) for one in made} == {24}
