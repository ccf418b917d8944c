"""Webhook endpoints over the API: made, shown, changed, rotated, tested and removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from rheod.net.url_policy import check_url
from rheod.sandbox.shop import CUT, Shop
from rheod.webhooks.client import WebhookClient
from tests.api.running import NOW_MS, Api, OpenApi
from tests.stores import rows

HOOKS = "/integration/webhooks"
URL = "https://erp.example/hook"
CUP = {"title": "Kaffekopp", "price": 950}


async def made(api: Api, **fields: Any) -> dict[str, Any]:
    """An endpoint that was just made."""
    reply = await api.own("POST", HOOKS, {"url": URL, **fields})
    assert reply.status == 201, reply.raw
    body: dict[str, Any] = reply.body
    return body


async def listed(api: Api, **headers: str) -> list[dict[str, Any]]:
    """The endpoints as they are listed."""
    found: list[dict[str, Any]] = (await api.own("GET", HOOKS, headers=headers)).body["endpoints"]
    return found


async def test_an_endpoint_is_made_with_its_secret_shown_once(api: Api) -> None:
    """The 201 has every field and the secret, the list the same without it."""
    one = await made(api, eventTypes=["item.sold", "item.created", "item.sold"], description="ERP")
    secret = one.pop("secret")
    assert one == {
        "id": one["id"],
        "url": URL,
        "eventTypes": ["item.created", "item.sold"],
        "scope": "self",
        "active": True,
        "description": "ERP",
        "failCount": 0,
        "secretHint": f"{secret[:10]}…",
        "createdAt": "2026-05-26T10:00:00Z",
        "updatedAt": "2026-05-26T10:00:00Z",
    }
    assert await listed(api) == [one]
    assert secret.encode() not in (await api.own("GET", HOOKS)).raw


async def test_the_same_endpoint_again_is_a_conflict_that_names_it(api: Api) -> None:
    """A retried POST doubles no event; another filter or scope is another endpoint."""
    one = await made(api, eventTypes=["item.sold", "item.created"])
    again = await api.own("POST", HOOKS, {"url": URL, "eventTypes": ["item.created", "item.sold"]})
    assert (again.status, again.code) == (409, "CONFLICT")
    assert one["id"] in again.body["error"]
    two = await made(api, eventTypes=["item.sold"])
    await made(api, scope="members", eventTypes=["item.sold"])
    assert len(await listed(api)) == 3
    clash = await api.own("PATCH", f"{HOOKS}/{two['id']}", {"eventTypes": ["item.sold", "item.created"]})
    assert clash.code == "CONFLICT"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": None}, "url"),
        ({"url": 5}, "url"),
        ({"url": "http://erp.example"}, "url"),
        ({"url": "https://erp.example/" + "x" * 2048}, "url"),
        ({"url": URL, "eventTypes": ["item.sold", "item.stolen"]}, "eventTypes.1"),
        ({"url": URL, "eventTypes": "item.sold"}, "eventTypes"),
        ({"url": URL, "eventTypes": ["item.sold"] * 100}, "eventTypes"),
        ({"url": URL, "scope": "all"}, "scope"),
        ({"url": URL, "description": "x" * 256}, "description"),
        ([], "body"),
    ],
)
async def test_a_wrong_endpoint_is_refused_by_field(api: Api, body: Any, field: str) -> None:
    """422 names the field; nothing is made."""
    reply = await api.own("POST", HOOKS, body)
    assert reply.status == 422
    assert field in reply.fields or list(reply.fields) == [""]
    assert await listed(api) == []


async def test_webhook_settings_are_the_first_endpoint(api: Api) -> None:
    """Without a URL it is not listed; with one it is the first, and both calls show the same."""
    settings = (await api.own("GET", "/integration/webhook-settings")).body
    assert await listed(api) == []
    second = await made(api)
    await api.own("PUT", "/integration/webhook-settings", {"webhookUrl": "https://first.example"})
    first, other = await listed(api)
    assert (first["url"], other["id"]) == ("https://first.example", second["id"])
    assert first["secretHint"] == f"{settings['webhookSecret'][:10]}…"


async def test_an_endpoint_is_changed_field_by_field(api: Api) -> None:
    """What is absent or null stays; the answer is the endpoint as it is now; nothing is changed by nothing."""
    one = await made(api, eventTypes=["item.sold"], description="ERP")
    path = f"{HOOKS}/{one['id']}"
    changed = (await api.own("PATCH", path, {"eventTypes": [], "description": None, "url": URL})).body
    assert changed == {key: value for key, value in one.items() if key != "secret"} | {"eventTypes": []}
    assert (await api.own("PATCH", path, {"active": False})).body["active"] is False
    assert (await api.own("PATCH", path, {})).body["active"] is False
    assert (await api.own("PATCH", path, {"active": "yes"})).fields == {"active": "Must be true or false"}
    assert (await api.own("PATCH", path, {"active": True, "scope": "members"})).body["scope"] == "members"


async def test_another_s_endpoint_is_nobody_s(api: Api) -> None:
    """An endpoint is seen, changed and removed through its own account alone."""
    member = {"x-partner-account": "member-1"}
    one = await made(api)
    path = f"{HOOKS}/{one['id']}"
    assert await listed(api, **member) == []
    for method, target, body in (
        ("PATCH", path, {"active": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate-secret", None),
        ("PATCH", f"{HOOKS}/nonsense", {}),
    ):
        assert (await api.own(method, target, body, headers=member)).code == "NOT_FOUND"
    assert (await listed(api))[0]["active"] is True


async def test_a_member_account_has_no_members(api: Api) -> None:
    """Only the reseller's own account is told of the members."""
    body = {"url": URL, "scope": "members"}
    reply = await api.own("POST", HOOKS, body, headers={"x-partner-account": "member-1"})
    assert (reply.status, list(reply.fields)) == (422, ["scope"])


async def test_a_rotated_secret_is_shown_once(open_api: OpenApi) -> None:
    """The answer has the secret, which is the hint of the list from then on."""
    api = await open_api()
    one = await made(api)
    rotated = (await api.own("POST", f"{HOOKS}/{one['id']}/rotate-secret")).body
    assert rotated["id"] == one["id"]
    assert rotated["secret"].startswith("whsec_")
    (row,) = await rows(api.database, "SELECT previous_until FROM endpoints")
    assert row["previous_until"] == NOW_MS + 24 * 3600 * 1000


async def test_a_second_rotation_waits_for_the_first_unless_a_secret_has_leaked(api: Api) -> None:
    """409 says until when the old one signs, and changes nothing; with `force` only the new one signs from then on."""
    path = f"{HOOKS}/{(await made(api))['id']}/rotate-secret"
    first = (await api.own("POST", path)).body["secret"]
    second = await api.own("POST", path)
    assert (second.status, second.code, "2026-05-27T10:00:00Z" in second.body["error"]) == (
        409,
        "CONFLICT",
        True,
    )
    assert (await listed(api))[0]["secretHint"] == f"{first[:10]}…"
    assert (await api.own("POST", path, {"force": "yes"})).fields == {"force": "Must be true or false"}
    forced = (await api.own("POST", path, {"force": True})).body["secret"]
    assert forced != first
    assert await rows(api.database, "SELECT previous_secret, previous_until FROM endpoints") == [
        {"previous_secret": None, "previous_until": None}
    ]
    assert (await api.own("POST", path)).status == 200


async def test_a_removed_endpoint_is_gone_with_what_waited_for_it(api: Api) -> None:
    """204 and then 404; its events are dropped, the log says how many, and new ones are not kept for it."""
    one, other = await made(api), await made(api, eventTypes=["item.created"])
    for name in ("a", "b"):
        await api.call("PUT", f"/integration/v1/items/{name}", CUP)
    with capture_logs() as logs:
        gone = await api.own("DELETE", f"{HOOKS}/{one['id']}")
    assert (gone.status, gone.raw) == (204, b"")
    (line,) = [line for line in logs if "removed" in line["event"]]
    assert (line["endpoint"], line["dropped"]) == (one["id"], 2)
    assert (await api.own("DELETE", f"{HOOKS}/{one['id']}")).code == "NOT_FOUND"
    await api.call("PUT", "/integration/v1/items/c", CUP)
    waiting = await rows(api.database, "SELECT DISTINCT endpoint_id FROM jobs WHERE lane = 'hooks'")
    assert waiting == [{"endpoint_id": other["id"]}]
    assert [each["id"] for each in await listed(api)] == [other["id"]]
    assert len(await rows(api.database, "SELECT 1 FROM notices")) == 3


async def test_the_number_of_endpoints_is_bounded(api: Api) -> None:
    """Fifty are made, one more is a conflict."""
    for number in range(50):
        await made(api, url=f"{URL}/{number}")
    reply = await api.own("POST", HOOKS, {"url": URL})
    assert (reply.code, len(await listed(api))) == ("CONFLICT", 50)


async def test_only_the_owner_may_do_any_of_it(api: Api) -> None:
    """A partner's key opens none of these paths."""
    for method, path in (
        ("GET", HOOKS),
        ("POST", HOOKS),
        ("DELETE", f"{HOOKS}/x"),
        ("POST", f"{HOOKS}/x/test"),
    ):
        assert (await api.call(method, path)).code == "UNAUTHORIZED"


# The test event


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    one = Shop(now=lambda: NOW_MS)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def testing(open_api: OpenApi) -> AsyncIterator[Api]:
    """The API with a sender of test events that may reach this machine, but nothing that is called secret."""
    allowed = partial(check_url, allow_http=True, allow_private=True)
    async with aiohttp.ClientSession() as session:
        hooks = WebhookClient(
            session=session,
            timeout_s=1,
            check_url=lambda url: "Must not be secret" if url.endswith("secret") else allowed(url),
            user_agent="rheod/test",
            now=lambda: NOW_MS,
        )
        yield await open_api(hooks=hooks, check_webhook_url=allowed)


async def test_a_test_event_is_signed_and_answered_at_once(testing: Api, shop: Shop) -> None:
    """The receiver gets one of its own events, marked as a test, with both signatures; status and time are told.

    Nothing is kept of it.
    """
    one = await made(testing, url=shop.webhook_url(), eventTypes=["item.sold"])
    shop.secret = one["secret"]
    await testing.own("PATCH", f"{HOOKS}/{one['id']}", {"active": False})
    answer = await testing.own("POST", f"{HOOKS}/{one['id']}/test")
    assert answer.status == 200
    assert answer.body == {
        "success": True,
        "eventId": answer.body["eventId"],
        "eventType": "item.sold",
        "httpStatus": 200,
        "durationMs": answer.body["durationMs"],
        "errorMessage": None,
    }
    (got,) = shop.received
    assert (got.rheo_ok, got.standard_ok) == (True, True)
    assert (got.event["eventType"], got.event["eventId"]) == ("item.sold", answer.body["eventId"])
    assert set(got.event) == {"eventId", "eventType", "timestamp", "data"}
    assert got.event["data"]["test"] is True
    kept = "SELECT seq FROM notices UNION ALL SELECT id FROM jobs UNION ALL SELECT id FROM deliveries"
    assert await rows(testing.database, kept) == []


@pytest.mark.parametrize(
    ("takes", "body", "sent"),
    [
        ([], {}, "item.created"),
        ([], None, "item.created"),
        (["*"], {}, "item.created"),
        (["item.sold", "listing.failed"], {}, "listing.failed"),
        (["item.sold", "listing.failed"], {"eventType": "item.sold"}, "item.sold"),
    ],
)
async def test_a_test_event_is_one_of_the_endpoint_s_own(
    testing: Api, shop: Shop, takes: list[str], body: Any, sent: str
) -> None:
    """The one asked for, else the one that does least harm in an ERP that does not look at `test`."""
    one = await made(testing, url=shop.webhook_url(), eventTypes=takes)
    answer = await testing.own("POST", f"{HOOKS}/{one['id']}/test", body)
    assert (answer.status, answer.body["eventType"]) == (200, sent)
    assert [(each.event["eventType"], each.event["data"]["test"]) for each in shop.received] == [(sent, True)]


async def test_a_test_event_that_the_endpoint_does_not_take_is_refused(testing: Api, shop: Shop) -> None:
    """422 names the field and the types it takes; nothing is sent."""
    one = await made(testing, url=shop.webhook_url(), eventTypes=["item.sold"])
    path = f"{HOOKS}/{one['id']}/test"
    answer = await testing.own("POST", path, {"eventType": "item.created"})
    assert answer.fields == {"eventType": "Must be one that the endpoint takes: item.sold"}
    assert (await testing.own("POST", path, {"eventType": "ping"})).status == 422
    assert shop.received == []


async def test_every_event_there_is_and_will_be(api: Api) -> None:
    """`*` stands for all, and for itself in the answer; with others beside it, it is still all."""
    one = await made(api, eventTypes=["item.sold", "*"])
    assert one["eventTypes"] == ["*"]
    await api.call("PUT", "/integration/v1/items/a", CUP)
    (row,) = await rows(api.database, "SELECT count(*) AS n FROM jobs WHERE lane = 'hooks'")
    assert row["n"] == 1


@pytest.mark.parametrize(("answered", "status"), [(500, 500), (301, 301), (CUT, None)])
async def test_a_test_event_that_is_not_taken_says_why(
    testing: Api, shop: Shop, answered: int, status: int | None
) -> None:
    """200 all the same, with the endpoint's status and a sentence; it is not counted against the endpoint."""
    one = await made(testing, url=shop.webhook_url())
    shop.answer_with([answered])
    told = (await testing.own("POST", f"{HOOKS}/{one['id']}/test")).body
    assert (told["success"], told["httpStatus"]) == (False, status)
    assert told["errorMessage"]
    assert (await listed(testing))[0]["failCount"] == 0


async def test_a_test_event_is_guarded_as_every_send(testing: Api, shop: Shop) -> None:
    """An address that the settings do not allow is not called, whatever is in the table."""
    one = await made(testing, url=shop.webhook_url("secret"))
    told = (await testing.own("POST", f"{HOOKS}/{one['id']}/test")).body
    assert (told["success"], told["httpStatus"], told["errorMessage"]) == (False, None, "Must not be secret")
    assert shop.received == []


async def test_what_cannot_be_tested_says_why(testing: Api) -> None:
    """Somebody else's endpoint is not found; one without an address is a conflict."""
    assert (await testing.own("POST", f"{HOOKS}/nonsense/test")).code == "NOT_FOUND"
    settings = await testing.parts.endpoints.settings(testing.parts.default_account)
    assert (await testing.own("POST", f"{HOOKS}/{settings.id}/test")).code == "CONFLICT"


async def test_without_lanes_nothing_is_sent(api: Api) -> None:
    """The command line without a daemon cannot test an endpoint, and says so."""
    one = await made(api)
    assert (await api.own("POST", f"{HOOKS}/{one['id']}/test")).code == "UNAVAILABLE"
