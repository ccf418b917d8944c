"""The admin socket: reaching it is the permission, and it answers what the commands ask."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import rheod
from rheod.api.admin import build_admin, start_admin
from rheod.api.context import AdminContext
from rheod.domain.errors import Permanent
from tests.api.running import Api

GOOD = {"title": "Bromsok", "price": 950}


async def what_runs() -> dict[str, object]:
    return {"running": True}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is."""
    return tmp_path / "admin.sock"


@pytest.fixture
async def admin(api: Api, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the admin socket."""
    runner = await start_admin(build_admin(AdminContext(api=api.parts, status=what_runs)), path)
    async with aiohttp.ClientSession("http://admin", connector=aiohttp.UnixConnector(str(path))) as session:
        yield session
    await runner.cleanup()


async def ask(admin: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with admin.request(method, path, json=body) as reply:
        return reply.status, await reply.json() if reply.status != 204 else None


async def test_only_the_owner_of_the_process_can_reach_it(admin: aiohttp.ClientSession, path: Path) -> None:
    """The socket has mode 0600 whatever the umask was, and the umask is left alone."""
    assert not admin.closed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177


async def test_a_socket_left_by_a_dead_daemon_is_replaced_and_removed_at_the_stop(
    api: Api, path: Path
) -> None:
    """A stale socket does not stop the start; after the stop none is left."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    runner = await start_admin(build_admin(AdminContext(api=api.parts, status=what_runs)), path)
    async with aiohttp.ClientSession("http://admin", connector=aiohttp.UnixConnector(str(path))) as session:
        assert (await ask(session, "GET", "/status"))[0] == 200
    await runner.cleanup()
    assert not path.exists()


async def test_a_file_in_the_way_is_not_deleted(api: Api, path: Path) -> None:
    """What is no socket is not ours to remove; the sentence names it."""
    path.write_text("precious")
    with pytest.raises(Permanent, match=r"admin\.sock is in the way"):
        await start_admin(build_admin(AdminContext(api=api.parts, status=what_runs)), path)
    assert path.read_text() == "precious"


async def test_a_path_too_long_for_a_socket_names_the_setting(api: Api, tmp_path: Path) -> None:
    """The kernel's limit is told as a setting to change."""
    with pytest.raises(Permanent, match=r"set server\.admin_socket"):
        await start_admin(build_admin(AdminContext(api=api.parts, status=what_runs)), tmp_path / ("x" * 100))


async def test_keys_are_made_listed_and_revoked(api: Api, admin: aiohttp.ClientSession) -> None:
    """A key made here opens the API at once, and a revoked one no more."""
    status, made = await ask(admin, "POST", "/keys", {"name": "ERP"})
    assert (status, set(made), made["name"]) == (201, {"apiKey", "id", "name"}, "ERP")
    headers = {"x-api-key": made["apiKey"]}
    assert (await api.call("GET", "/integration/v1/items/x", headers=headers)).status == 404
    assert await ask(admin, "DELETE", f"/keys/{made['id']}") == (204, None)
    assert (await api.call("GET", "/integration/v1/items/x", headers=headers)).status == 401
    _, listed = await ask(admin, "GET", "/keys")
    assert {key["name"]: key["revokedAt"] is None for key in listed["keys"]} == {"test": True, "ERP": False}
    status, error = await ask(admin, "DELETE", f"/keys/{made['id']}")
    assert (status, error["code"]) == (404, "NOT_FOUND")


async def test_a_new_admin_token_replaces_the_old_one(api: Api, admin: aiohttp.ClientSession) -> None:
    """The token made here is the one that counts."""
    status, made = await ask(admin, "POST", "/admin-token")
    assert (status, set(made)) == (201, {"adminToken"})
    assert (await api.own("GET", "/integration/api-keys")).status == 401
    api.admin = made["adminToken"]
    assert (await api.own("GET", "/integration/api-keys")).status == 200


async def test_items_are_listed_page_by_page_and_shown(api: Api, admin: aiohttp.ClientSession) -> None:
    """`next` walks all items without losing one, though all changed in the same millisecond."""
    for number in range(5):
        await api.call("PUT", f"/integration/v1/items/A%2F{number}", GOOD)
    seen: list[str] = []
    after = ""
    for _ in range(4):
        _, page = await ask(admin, "GET", f"/items?limit=2{after}")
        seen += [item["externalId"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(seen) == [f"A/{number}" for number in range(5)]
    status, shown = await ask(admin, "GET", "/items/A%2F3")
    assert (status, shown["externalId"], shown["waitsFor"]) == (200, "A/3", None)
    assert (await ask(admin, "GET", "/items?status=sold"))[1] == {"items": [], "next": None}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=\u0661", "status=nonsense", "after=nonsense", "after=-1.x"],
)
async def test_a_bad_query_is_a_bad_request(admin: aiohttp.ClientSession, query: str) -> None:
    """Parameters are read strictly, in the error shape of the API."""
    status, error = await ask(admin, "GET", f"/items?{query}")
    assert (status, error["code"]) == (400, "BAD_REQUEST")


async def test_a_publish_is_ordered(api: Api, admin: aiohttp.ClientSession) -> None:
    """What `rheod items publish` asks for is queued once."""
    await api.call("PUT", "/integration/v1/items/A1", GOOD)
    status, ordered = await ask(admin, "POST", "/items/A1/publish")
    assert (status, ordered["message"]) == (202, "Queued for publishing")
    assert (await ask(admin, "POST", "/items/nobody/publish"))[0] == 404


async def test_only_a_doubt_is_settled(api: Api, admin: aiohttp.ClientSession) -> None:
    """What `rheod items settle` says reaches the catalogue; a body without a word is refused."""
    await api.call("PUT", "/integration/v1/items/A1", GOOD)
    for body in ({"live": 12}, {"live": False}):
        status, error = await ask(admin, "POST", "/items/A1/settle", body)
        assert (status, error["error"]) == (409, "Nothing is in doubt about this item's ad")
    for wrong in ({}, {"live": None}, {"live": 0}, {"live": "12"}, {"live": True}, {"live": 2**63}):
        assert (await ask(admin, "POST", "/items/A1/settle", wrong))[0] == 422
    assert (await ask(admin, "POST", "/items/nobody/settle", {"live": 12}))[0] == 404


async def test_status_and_version_are_told(admin: aiohttp.ClientSession) -> None:
    """The daemon says what runs and which version it is."""
    assert await ask(admin, "GET", "/status") == (200, {"running": True})
    assert await ask(admin, "GET", "/version") == (200, {"version": rheod.__version__})


async def test_the_admin_calls_are_not_on_the_network(api: Api) -> None:
    """None of these paths exists on the listening port."""
    for method, path in [("GET", "/keys"), ("POST", "/admin-token"), ("GET", "/status")]:
        assert (await api.call(method, path)).status == 404


async def test_a_member_is_named_as_partners_do(admin: aiohttp.ClientSession, api: Api) -> None:
    """Keys and items of the member named in the header; an unknown one is refused in the documented words."""
    member = {"x-partner-account": "member-1"}
    async with admin.post("/keys", json={"name": "m"}, headers=member) as made:
        key = (await made.json())["apiKey"]
    assert (await ask(admin, "GET", "/keys"))[1]["keys"][0]["name"] == "test"
    assert (await api.call("PUT", "/integration/v1/items/M", GOOD, headers={"x-api-key": key})).status == 202
    assert (await ask(admin, "GET", "/items"))[1]["items"] == []
    async with admin.get("/items/M", headers=member) as shown:
        assert shown.status == 200
    async with admin.get("/items", headers={"x-partner-account": "nobody"}) as refused:
        assert (refused.status, (await refused.json())["error"]) == (404, "Unknown partner account")
