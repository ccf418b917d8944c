"""Who is let in: keys, the admin token, rates, and whose address counts."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest

from rheod.api.authenticator import bearer, caller_address
from rheod.api.context import Rates
from tests.api.running import Api, OpenApi

ITEM = "/integration/v1/items/A1"
GOOD = {"title": "Bromsok", "price": 950}


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "rheo_live_",
        "rheo_live_" + "a" * 32,
        "rheo_live_" + "å" * 32,
        "x" * 5000,
        "rheo_live_" + "a" * 31 + "\u00ff",
    ],
)
async def test_a_missing_malformed_or_unknown_key_is_401(api: Api, key: str | None) -> None:
    """Whatever stands in the key header, the answer is the documented 401 and never a fault."""
    reply = await api.call("GET", ITEM, headers={"x-api-key": key})
    assert (reply.status, reply.body) == (
        401,
        {"error": "Invalid or missing API key", "code": "UNAUTHORIZED", "statusCode": 401},
    )


async def test_two_key_headers_are_no_key(api: Api) -> None:
    """Which of two would count is not guessed."""
    key = api.key.encode()
    raw = await api.raw(
        b"GET " + ITEM.encode() + b" HTTP/1.1\r\nHost: a\r\nx-api-key: " + key + b"\r\nx-api-key: x\r\n\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 401 ")


async def test_a_revoked_key_is_worth_nothing_from_the_next_request_on(api: Api) -> None:
    """Revoking through the API ends the key at once, and others live on."""
    other = (await api.own("POST", "/integration/api-keys/generate", {"name": "other"})).body["apiKey"]
    keys = (await api.own("GET", "/integration/api-keys")).body["keys"]
    first = next(key for key in keys if key["name"] == "test")
    assert (await api.call("GET", ITEM)).status == 404
    assert (await api.own("DELETE", f"/integration/api-keys/{first['id']}")).status == 204
    assert (await api.call("GET", ITEM)).status == 401
    assert (await api.call("GET", ITEM, headers={"x-api-key": other})).status == 404


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer wrong", "Basic {token}", "Bearer {token}å", "{token}"]
)
async def test_the_owners_calls_want_the_admin_token(api: Api, value: str | None) -> None:
    """Anything but the token as a bearer is 401."""
    given = None if value is None else value.format(token=api.admin)
    reply = await api.own("GET", "/integration/api-keys", headers={"Authorization": given})
    assert (reply.status, reply.code) == (401, "UNAUTHORIZED")


async def test_a_key_is_no_admin_token_and_the_other_way_round(api: Api) -> None:
    """The two kinds of caller do not open each other's doors."""
    assert (
        await api.own("GET", "/integration/api-keys", headers={"Authorization": f"Bearer {api.key}"})
    ).status == 401
    assert (await api.call("GET", ITEM, headers={"x-api-key": api.admin})).status == 401


async def test_each_kind_of_call_has_its_own_limit(open_api: OpenApi) -> None:
    """PUT, PATCH and GET use up their own buckets, and a refusal says how long to wait."""
    api = await open_api(rates=Rates(put=1, get=2, price=3, status=1, delete=1, strangers=100))
    puts = [(await api.call("PUT", ITEM, GOOD)).status for _ in range(3)]
    gets = [(await api.call("GET", ITEM)).status for _ in range(5)]
    prices = [(await api.call("PATCH", f"{ITEM}/price", {"price": 5})).status for _ in range(7)]
    assert (puts, gets, prices) == ([202] * 2 + [429], [200] * 4 + [429], [202] * 6 + [429])
    refused = await api.call("PUT", ITEM, GOOD)
    assert refused.body == {"error": "Too many requests", "code": "RATE_LIMITED", "statusCode": 429}
    assert refused.headers["Retry-After"] == "2"  # the PUT refused before it has the first turn
    api.clock.seconds += int(refused.headers["Retry-After"])
    assert (await api.call("PUT", ITEM, GOOD)).status == 202


async def test_the_key_comes_before_the_bucket_and_the_bucket_before_the_body(open_api: OpenApi) -> None:
    """With an empty bucket a wrong key is still 401 and a wrong body still 429."""
    api = await open_api(rates=Rates(put=1, strangers=100))
    for _ in range(2):
        assert (await api.call("PUT", ITEM, data=b"no json")).status == 400
    assert (await api.call("PUT", ITEM, data=b"no json")).status == 429
    assert (await api.call("PUT", ITEM, data=b"no json", headers={"x-api-key": "wrong"})).status == 401


async def test_strangers_are_limited_by_address_and_keys_are_not_held_up(open_api: OpenApi) -> None:
    """A flood without a key turns to 429, while a caller with a key from the same address gets through."""
    api = await open_api(rates=Rates(strangers=3))
    flood = [
        (await api.call("GET", path, headers={"x-api-key": "wrong"})).status
        for path in [ITEM, "/nowhere"] * 4
    ]
    assert flood == [401, 404, 401, 404, 401, 404, 429, 429]
    assert (await api.own("GET", "/integration/api-keys", headers={"Authorization": None})).status == 429
    assert (await api.call("PUT", ITEM, GOOD)).status == 202


async def test_a_member_account_has_its_own_items(api: Api) -> None:
    """The partner account named in the header owns the item; without it the default account does."""
    member = {"x-partner-account": "member-1"}
    assert (await api.call("PUT", ITEM, GOOD, headers=member)).status == 202
    assert (await api.call("GET", ITEM, headers=member)).status == 200
    assert (await api.call("GET", ITEM)).status == 404


@pytest.mark.parametrize("reference", ["nobody", "", "å", "MEMBER-1"])
async def test_an_unknown_partner_account_is_404(api: Api, reference: str) -> None:
    """An account that is not configured has the documented sentence, and never falls back to the default one."""
    reply = await api.call("GET", ITEM, headers={"x-partner-account": reference})
    assert (reply.status, reply.body["error"]) == (404, "Unknown partner account")


async def test_a_members_own_key_reaches_only_that_member(api: Api) -> None:
    """A key made for one member cannot name another account."""
    _, key = await api.parts.keys.create(api.member, "member's own")
    own: dict[str, Any] = {"x-api-key": key}
    assert (await api.call("PUT", ITEM, GOOD, headers=own)).status == 202
    assert (await api.call("GET", ITEM, headers=own | {"x-partner-account": "member-1"})).status == 200
    reply = await api.call("PUT", ITEM, GOOD, headers=own | {"x-partner-account": "member-2"})
    assert (reply.status, reply.body["error"]) == (404, "Unknown partner account")
    assert (await api.call("GET", ITEM)).status == 404


async def test_the_owner_manages_a_member_by_naming_it(api: Api) -> None:
    """Keys and webhook settings of a member are his own, and an unknown one is refused before anything is made."""
    member = {"x-partner-account": "member-1"}
    made = (await api.own("POST", "/integration/api-keys/generate", {"name": "m"}, headers=member)).body
    shown = (await api.own("GET", "/integration/api-keys", headers=member)).body["keys"]
    assert [(key["name"], key["userId"]) for key in shown] == [("m", api.member)]
    assert [key["name"] for key in (await api.own("GET", "/integration/api-keys")).body["keys"]] == ["test"]
    hook = {"webhookUrl": "https://erp.example/member"}
    await api.own("PUT", "/integration/webhook-settings", hook, headers=member)
    assert (await api.own("GET", "/integration/webhook-settings")).body["webhookUrl"] is None
    own = {"x-api-key": made["apiKey"]}
    assert (await api.call("PUT", ITEM, GOOD, headers=own)).status == 202
    assert (await api.call("GET", ITEM, headers=member)).status == 200
    nobody = {"x-partner-account": "nobody"}
    reply = await api.own("POST", "/integration/api-keys/generate", {}, headers=nobody)
    assert (reply.status, reply.body["error"]) == (404, "Unknown partner account")


async def test_an_account_that_has_left_the_settings_can_be_read_and_not_changed(open_api: OpenApi) -> None:
    """Its items stay as they are until it comes back; the others do not notice."""
    removed: set[str] = set()
    api = await open_api(removed_accounts=removed)
    member = {"x-partner-account": "member-1"}
    assert (await api.call("PUT", ITEM, GOOD, headers=member)).status == 202
    removed.add(api.member)
    assert (await api.call("GET", ITEM, headers=member)).status == 200
    for method, path, body in (
        ("PUT", ITEM, GOOD),
        ("PATCH", f"{ITEM}/price", {"price": 900}),
        ("PATCH", f"{ITEM}/status", {"status": "not_listed"}),
        ("DELETE", ITEM, None),
    ):
        reply = await api.call(method, path, body, headers=member)
        assert (reply.status, reply.code) == (409, "CONFLICT")
        assert "not in rheod's settings any more" in reply.body["error"]
    assert (await api.call("PUT", ITEM, GOOD)).status == 202


async def test_while_stopping_no_new_work_is_taken(open_api: OpenApi) -> None:
    """Calls of partners and the owner get 503 with Retry-After; health still answers."""
    api = await open_api(stopping=lambda: True)
    for reply in (await api.call("PUT", ITEM, GOOD), await api.own("GET", "/integration/api-keys")):
        assert (reply.status, reply.code) == (503, "UNAVAILABLE")
        assert re.fullmatch("[1-9][0-9]*", reply.headers["Retry-After"])
    assert (await api.call("GET", "/healthz")).status == 200
    assert (await api.call("GET", "/readyz")).status == 503


@pytest.mark.parametrize(
    ("peer", "forwarded", "wanted"),
    [
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["203.0.113.5"], "198.51.100.7"),
        ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        ("127.0.0.1", ["203.0.113.5", "10.1.2.3"], "203.0.113.5"),
        ("127.0.0.1", ["nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["6.6.6.6, nonsense, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("::ffff:127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("2001:db8:1:2:3::1", [], "2001:db8:1:2::/64"),
        ("", [], ""),
    ],
)
def test_only_trusted_proxies_say_who_is_behind_them(peer: str, forwarded: list[str], wanted: str) -> None:
    """X-Forwarded-For counts from its end and only as far as the one who wrote it is trusted."""
    proxies = [ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("10.0.0.0/8")]
    assert caller_address(peer, forwarded, proxies) == wanted


def test_a_bearer_token_is_read_whatever_the_case_of_its_scheme() -> None:
    """The scheme's name is case-insensitive, as HTTP says."""
    assert (bearer(["bearer abc"]), bearer(["Bearer a", "Bearer a"])) == ("abc", None)
