"""Keys, webhook settings and the dashboard's password, as the owner makes and changes them."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.api.management import PasswordCalls, new_password
from tests.api.running import Api
from tests.web.running import pages

KEYS = "/integration/api-keys"
WEBHOOK = "/integration/webhook-settings"


async def test_a_key_is_shown_once_and_works(api: Api) -> None:
    """The answer has the key and its name; the list has neither the key nor its digest."""
    made = await api.own("POST", f"{KEYS}/generate", {"name": "ERP"})
    assert (made.status, made.body["name"]) == (200, "ERP")
    key = made.body["apiKey"]
    assert re.fullmatch("rheo_live_[A-Za-z0-9]{32}", key)
    listed = await api.own("GET", KEYS)
    assert key.encode() not in listed.raw
    (shown,) = [one for one in listed.body["keys"] if one["name"] == "ERP"]
    assert shown == {
        "id": shown["id"],
        "userId": api.parts.default_account,
        "prefix": key[:14],
        "name": "ERP",
        "createdAt": "2026-05-26T10:00:00Z",
        "scopes": ["items"],
        "lastUsedAt": None,
        "revokedAt": None,
    }
    await api.call("GET", "/integration/v1/items/x", headers={"x-api-key": key})
    (shown,) = [one for one in (await api.own("GET", KEYS)).body["keys"] if one["name"] == "ERP"]
    assert shown["lastUsedAt"] == "2026-05-26T10:00:00Z"


async def test_a_key_needs_no_body_for_its_default_name(api: Api) -> None:
    """No body, an empty object and a null name all give the documented name."""
    for body in (None, {}, {"name": None}):
        assert (await api.own("POST", f"{KEYS}/generate", body)).body["name"] == "API Key"


@pytest.mark.parametrize("name", ["", 5, "x" * 256, "a\x00"])
async def test_a_bad_name_is_told(api: Api, name: object) -> None:
    """A name is text of 1 to 255 characters."""
    reply = await api.own("POST", f"{KEYS}/generate", {"name": name})
    assert (reply.status, list(reply.fields)) == (422, ["name"])


async def test_a_revoked_key_leaves_the_list_and_is_not_found_again(api: Api) -> None:
    """204 without a body the first time, 404 for a key that is gone or never was."""
    (key,) = (await api.own("GET", KEYS)).body["keys"]
    gone = await api.own("DELETE", f"{KEYS}/{key['id']}")
    assert (gone.status, gone.raw) == (204, b"")
    assert (await api.own("GET", KEYS)).body == {"keys": []}
    for other in (key["id"], "nonsense", "%00"):
        assert (await api.own("DELETE", f"{KEYS}/{other}")).code == "NOT_FOUND"


async def test_webhook_settings_make_their_secret_once(api: Api) -> None:
    """The first read makes the secret, later ones show the same; the URL starts as null."""
    first = await api.own("GET", WEBHOOK)
    assert first.body == {"webhookUrl": None, "webhookSecret": first.body["webhookSecret"]}
    assert first.body["webhookSecret"].startswith("whsec_")
    assert (await api.own("GET", WEBHOOK)).body == first.body


async def test_a_webhook_url_is_set_and_taken_away(api: Api) -> None:
    """PUT answers success, GET shows the URL, null removes it."""
    for url in ("https://erp.example/hook", None):
        assert (await api.own("PUT", WEBHOOK, {"webhookUrl": url})).body == {"success": True}
        assert (await api.own("GET", WEBHOOK)).body["webhookUrl"] == url


async def test_a_webhook_url_that_is_not_allowed_is_told_why(api: Api) -> None:
    """The rule's own sentence reaches the owner under the field's name."""
    reply = await api.own("PUT", WEBHOOK, {"webhookUrl": "http://erp.example/hook"})
    assert (reply.status, reply.fields) == (422, {"webhookUrl": "Must be an HTTPS URL"})


async def test_a_secret_is_rotated(api: Api) -> None:
    """Rotation answers with the settings as they are now."""
    await api.own("PUT", WEBHOOK, {"webhookUrl": "https://erp.example/hook"})
    rotated = await api.own("POST", f"{WEBHOOK}/rotate-secret")
    assert (rotated.status, rotated.body["webhookUrl"]) == (200, "https://erp.example/hook")
    assert (await api.own("GET", WEBHOOK)).body == rotated.body
    again = await api.own("POST", f"{WEBHOOK}/rotate-secret", {})
    assert (again.code, "2026-05-27T10:00:00Z" in again.body["error"]) == ("CONFLICT", True)
    assert (await api.own("GET", WEBHOOK)).body == rotated.body
    forced = await api.own("POST", f"{WEBHOOK}/rotate-secret", {"force": True})
    assert forced.body["webhookSecret"] != rotated.body["webhookSecret"]


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
