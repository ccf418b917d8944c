"""The tables of the API's contract, written out once more: what a partner's client was built upon."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rheod.api.authenticator import BURST_S, RateLimiter
from rheod.api.context import Rates
from rheod.config.sections import LimitSettings, Webhooks
from rheod.domain.event_payloads import WEBHOOK_EVENT_CLASSES, example_of
from rheod.domain.model import EventType
from rheod.store import items
from rheod.store.endpoints import Endpoint
from rheod.usecases.transaction import Store, Transaction
from tests.api.running import Api, OpenApi
from tests.stores import rows

BASE = "/integration/v1/items"

ALIASES = {
    "electronics": "elektronik",
    "fashion": "mode clothing",
    "watches": "klockor",
    "home_garden": "home hem hem_tradgard",
    "art": "konst",
    "sports": "sport",
    "books": "bocker media",
    "toys": "leksaker",
    "vehicles": "fordon",
    "tools": "verktyg",
    "auto_parts": "autoparts car_parts bildelar automotive_part reservdel",
    "jewelry": "smycken",
    "computers": "datorer",
    "music": "musikinstrument",
    "collectibles": "samlarforemal",
    "beauty": "skonhet",
    "industrial": "industri",
    "other": "ovrigt generic",
}
TO_RHEO = {
    516: "art",
    517: "toys",
    533: "toys",
    520: "vehicles",
    521: "books",
    523: "industrial",
    524: "computers",
    525: "electronics",
    534: "electronics",
    527: "sports",
    529: "home_garden",
    530: "fashion",
    531: "watches",
    535: "music",
    536: "collectibles",
    537: "beauty",
    541: "tools",
    **dict.fromkeys(range(8174, 8179), "jewelry"),
    **dict.fromkeys(range(8290, 8301), "auto_parts"),
}
TO_TRADERA = {
    "art": 516,
    "toys": 533,
    "vehicles": 520,
    "books": 521,
    "industrial": 523,
    "computers": 524,
    "electronics": 525,
    "sports": 527,
    "home_garden": 529,
    "fashion": 530,
    "watches": 531,
    "music": 535,
    "collectibles": 536,
    "beauty": 537,
    "tools": 541,
    "jewelry": 531,
    "auto_parts": 520,
}


async def test_every_alias_of_a_domain_is_its_slug(api: Api) -> None:
    """In a PUT, whatever its case and whether `-`, a space or `_` parts its words."""
    for slug, names in ALIASES.items():
        for place, name in enumerate([slug, *names.split()]):
            tag = (name, name.upper(), name.replace("_", "-"), name.replace("_", " "))[place % 4]
            domain = {"title": "Sak", "price": 1, "domain": {"domain": tag}}
            assert (await api.call("PUT", f"{BASE}/A", domain)).status == 202
            shown = (await api.call("GET", f"{BASE}/A")).body["domain"]
            assert shown == {"domain": slug}, tag


async def converted(api: Api, source: str, external_id: str, target: str) -> Any:
    """The whole answer of a conversion."""
    body = {"fromMarket": source, "externalId": external_id, "toMarket": target}
    return (await api.call("POST", "/categories/convert", body)).body


async def test_every_category_of_the_map_is_converted(api: Api) -> None:
    """In both directions; what the hosted service calls its own way outward is so here."""
    for number, slug in TO_RHEO.items():
        told = await converted(api, "tradera", str(number), "rheo")
        assert (told["rheoCategory"], told["externalId"]) == (slug, None)
    for slug, number in TO_TRADERA.items():
        told = await converted(api, "rheo", slug, "tradera")
        assert (told["rheoCategory"], told["externalId"]) == (slug, str(number))
    for number in (518, 8173, 8179, 8289, 8301):
        assert (await converted(api, "tradera", str(number), "rheo"))["code"] == "NOT_FOUND"


def test_the_limits_are_those_a_client_was_written_for() -> None:
    """Calls a second for each kind; a full bucket holds two seconds' worth."""
    assert LimitSettings().model_dump() == {
        "put_per_s": 10,
        "price_per_s": 20,
        "status_per_s": 20,
        "get_per_s": 30,
        "delete_per_s": 10,
        "batch_per_s": 2,
        "tracking_per_s": 10,
    }
    buckets = RateLimiter(per_s=10, monotonic=lambda: 0.0)
    assert (BURST_S, sum(buckets.take("A") == 0 for _ in range(100))) == (2, 20)


async def test_calls_refused_at_once_come_back_one_after_another(open_api: OpenApi) -> None:
    """Each is told a later whole second, as plain digits, and who comes back then is let in."""
    api = await open_api(rates=Rates(get=1, strangers=100))
    replies = [await api.call("GET", BASE) for _ in range(7)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429, 429, 429, 429]
    waits = [reply.headers["Retry-After"] for reply in replies[2:]]
    assert waits == ["1", "2", "3", "4", "5"]
    for _ in waits:
        api.clock.seconds += 1
        assert (await api.call("GET", BASE)).status == 200


def test_deliveries_are_repeated_for_three_days() -> None:
    """Fifteen attempts: the documented gaps first, then ours; each attempt has ten seconds."""
    minute, hour = 60, 3600
    hooks = Webhooks()
    ours = (minute, 5 * minute, 30 * minute, *(hours * hour for hours in (2, 5, 10, 14, 18, 24)))
    assert hooks.retry_delays_s == (1, 2, 4, 8, 16, *ours)
    assert (len(hooks.retry_delays_s) + 1, hooks.timeout_s) == (15, 10)


SIX = ["item.created", "item.images_ready", "listing.created", "listing.ended", "listing.failed", "item.sold"]
OURS = [
    "item.needs_attention",
    "item.images_failed",
    "listing.relisted",
    "item.sale_reversed",
    "sale.conflict",
    "order.created",
    "order.paid",
    "order.grew",
    "order.shipped",
    "order.paid_after_reversal",
]


@pytest.mark.parametrize(
    ("named", "taken"),
    [((), SIX), (("*",), SIX + OURS), (("order.paid", "item.sold"), ["order.paid", "item.sold"])],
)
async def test_an_endpoint_gets_what_it_names(api: Api, named: tuple[str, ...], taken: list[str]) -> None:
    """None named means the six of the hosted service: a client of those never meets another."""
    await api.call("PUT", f"{BASE}/A", {"title": "Sak", "price": 1})
    body = {"url": "https://erp.example/hook", "eventTypes": list(named)}
    made = await api.own("POST", "/integration/webhooks", body)
    assert (made.status, set(made.body["eventTypes"])) == (201, set(named))
    store = Store(database=api.database, now=api.parts.now, rng=Random(1), wake=lambda _queue: None)

    def tell(tx: Transaction) -> None:
        item = items.find(tx.db, api.parts.default_account, "A")
        assert item is not None
        for each in WEBHOOK_EVENT_CLASSES:
            tx.tell(item, example_of(each))

    await store.write(tell)
    ordered = "SELECT n.type FROM notices n JOIN jobs j ON j.lane = 'hooks' AND j.subject LIKE n.seq || ':%'"
    assert sorted(row["type"] for row in await rows(api.database, ordered)) == sorted(taken)
    endpoint = Endpoint(id="A", account_id="B", url=None, secret="", event_types=named)
    assert {each for each in SIX + OURS if endpoint.takes(EventType(each))} == set(taken)
