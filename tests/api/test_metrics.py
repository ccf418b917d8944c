"""Who may read `/metrics`, and how often it is gathered."""

from __future__ import annotations

import asyncio

import pytest

from rheod.jobs.meters import Meters
from tests.api.running import Api, OpenApi

TEXT = b"# HELP rheod_items Items.\n"


async def some_figures() -> bytes:
    """What is gathered."""
    return TEXT


async def status(api: Api, **headers: str) -> int:
    """The status without a key."""
    return (await api.call("GET", "/metrics", headers={"x-api-key": None, **headers})).status


async def test_this_machine_may_read(open_api: OpenApi) -> None:
    """Without a key, as Prometheus's text format, never from a cache."""
    api = await open_api(metrics=some_figures)
    reply = await api.call("GET", "/metrics", headers={"x-api-key": None})
    assert (reply.status, reply.raw) == (200, TEXT)
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.5"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "nonsense"},
        {"X-Forwarded-For": ""},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 Caddy"},
    ],
)
@pytest.mark.parametrize("proxies", [[], ["127.0.0.1/32"]])
async def test_who_comes_through_a_proxy_is_not_this_machine(
    open_api: OpenApi, headers: dict[str, str], proxies: list[str]
) -> None:
    """Trusted or not, whatever it says: the answer is that of a path that does not exist."""
    api = await open_api(metrics=some_figures, trusted_proxies=proxies)
    reply = await api.call("GET", "/metrics", headers={"x-api-key": None, **headers})
    unknown = await api.call("GET", "/no-such-path", headers={"x-api-key": None})
    assert (reply.status, reply.body) == (404, unknown.body)


@pytest.mark.parametrize(
    ("forwarded", "wanted"),
    [
        ("10.0.0.5", 200),
        ("203.0.113.5, 10.0.0.5", 200),
        ("10.0.0.5, 203.0.113.5", 404),
        ("10.0.0.6", 404),
        ("2001:db8::5", 200),
        ("2001:db8::6", 404),
        ("::ffff:10.0.0.5", 200),
    ],
)
async def test_an_allowed_network_is_judged_past_the_trusted_proxies(
    open_api: OpenApi, forwarded: str, wanted: int
) -> None:
    """What the proxy adds last counts, an IPv6 address to its last bit."""
    api = await open_api(
        metrics=some_figures,
        metrics_allow=["10.0.0.5/32", "2001:db8::5/128"],
        trusted_proxies=["127.0.0.1/32"],
    )
    assert await status(api, **{"X-Forwarded-For": forwarded}) == wanted


async def test_a_stranger_s_word_on_where_he_is_does_not_count(open_api: OpenApi) -> None:
    """Without trusted proxies nobody can name an allowed address."""
    api = await open_api(metrics=some_figures, metrics_allow=["10.0.0.5/32"])
    assert await status(api, **{"X-Forwarded-For": "10.0.0.5"}) == 404


async def test_many_scrapes_are_one_look_a_second(open_api: OpenApi) -> None:
    """Twenty at once are gathered for once; a second later it is looked anew."""
    looks: list[int] = []

    async def count() -> bytes:
        looks.append(1)
        return TEXT

    api = await open_api(metrics=count)
    assert set(await asyncio.gather(*(status(api) for _ in range(20)))) == {200}
    assert len(looks) == 1
    api.clock.seconds += 1
    await status(api)
    assert len(looks) == 2


async def test_every_request_is_counted_by_route_method_and_status(open_api: OpenApi) -> None:
    """Under its path's template, with what it took; neither made-up paths nor made-up methods make series of their own."""
    meters = Meters()
    api = await open_api(answered=meters.answered)
    assert (await api.call("GET", "/integration/v1/items/A-1")).status == 404
    assert (await api.call("GET", "/integration/v1/items/A-2")).status == 404
    for path in ("/nowhere-1", "/nowhere-2"):
        assert (await api.call("PURGE", path)).status in {404, 405}
    counted = {
        (each.labels["route"], each.labels["method"], each.labels["code"]): each.value
        for family in meters.registry.collect()
        for each in family.samples
        if each.name == "rheod_http_requests_total"
    }
    assert counted == {
        ("/integration/v1/items/{externalId}", "GET", "404"): 2,
        ("unknown", "other", "404"): 2,
    }
    took = meters.registry.get_sample_value(
        "rheod_http_request_seconds_count", {"route": "unknown", "method": "other"}
    )
    assert took == 2
