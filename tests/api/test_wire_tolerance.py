"""What ERPs write in their own way, and what nobody may, over HTTP with the addresses judged as in service."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rheod.compose.remotes import check_webhook_url
from rheod.config.settings import Settings
from rheod.domain.errors import Text
from rheod.net.url_policy import check_url
from rheod.store import items
from tests.api.running import Api, OpenApi

BASE = "/integration/v1/items"
PART = {"title": "Bromsok", "price": 950}


async def put(api: Api, **fields: Any) -> Any:
    """The item after a PUT with these fields."""
    reply = await api.call("PUT", f"{BASE}/A", PART | fields)
    assert reply.status == 202, reply.raw
    return (await api.call("GET", f"{BASE}/A")).body


async def refused(api: Api, **fields: Any) -> dict[str, str]:
    """The fields that a PUT with these is refused for."""
    reply = await api.call("PUT", f"{BASE}/A", PART | fields)
    assert reply.status == 422, reply.raw
    return reply.fields


async def test_picture_addresses_come_as_shops_write_them(open_api: OpenApi) -> None:
    """In capitals, with spaces and with `_` in the host; shown as they were given. No other white space, and no `http`."""
    api = await open_api(check_image_url=partial(check_url, allow_http=False, allow_private=False))
    urls = [
        "HTTPS://CDN.Shop.SE/Bild 1.JPG",
        "https://my_cdn.shop.se/x.jpg?namn=a b",
        "https://shop.se/å.jpg",
    ]
    item = await put(api, imageUrls=urls)
    assert [each["url"] for each in item["images"]] == urls
    wrong = [
        "http://shop.se/1.jpg",
        "https://shop.se/a\tb.jpg",
        "https://shop.se/a\u00a0b.jpg",
        "https://a b/1",
    ]
    assert set(await refused(api, imageUrls=wrong)) == {f"imageUrls.{place}" for place in range(4)}


async def test_a_picture_that_is_tried_again_says_what_was_wrong(api: Api) -> None:
    """`error` has the last try's words while the picture is still `pending`."""
    await put(api, imageUrls=["https://cdn.example.com/1.jpg"])
    why = Text("{host} answered {status} for the picture", host="cdn.example.com", status=503)
    await api.database.write(lambda db: db.execute("UPDATE pictures SET error = ?", (why,)).rowcount)
    (picture,) = (await api.call("GET", f"{BASE}/A")).body["images"]
    assert (picture["state"], picture["hostedUrl"]) == ("pending", None)
    assert picture["error"] == "cdn.example.com answered 503 for the picture"


@pytest.mark.parametrize("version", ["1", "1.0", "2.10.3", "1.2.0-beta.1"])
async def test_a_version_is_given_back(api: Api, version: str) -> None:
    """Of one, two or three numbers."""
    assert (await put(api, schemaVersion=version))["schemaVersion"] == version


@pytest.mark.parametrize("version", ["", "v1", "1.", "1.0.0.0", "one", "01"])
async def test_what_is_no_version_is_refused(api: Api, version: str) -> None:
    """Nor is text that only looks like one."""
    assert set(await refused(api, schemaVersion=version)) == {"schemaVersion"}


async def test_a_whole_number_may_have_a_decimal_point(api: Api) -> None:
    """JSON has one kind of numbers: 2018.0 is 2018, and 2018.5 is no year."""
    vehicle = {"domain": "vehicles", "year": 2018.0}
    item = await put(api, domain=vehicle, tradera={"durationDays": 7.0, "categoryId": 52.0})
    assert item["domain"]["year"] == 2018
    wrong = await refused(api, domain={**vehicle, "year": 2018.5}, tradera={"durationDays": 7.5})
    assert set(wrong) == {"domain.year", "tradera.durationDays"}
    for year in ("2018", True):
        assert set(await refused(api, domain={**vehicle, "year": year})) == {"domain.year"}


async def floor_of(api: Api) -> int | None:
    """The item's own floor as it is kept, in kronor."""

    def read(db: Any) -> int | None:
        item = items.find(db, api.parts.default_account, "A")
        assert item is not None
        wish = item.spec.tradera and item.spec.tradera.relist
        return wish.floor_kr if wish else None

    return await api.database.read(read)


async def test_a_floor_is_taken_under_both_of_its_names(api: Api) -> None:
    """Beside the rule or in it; a floor that was silently ignored would sell too cheap."""
    await put(api, tradera={"floorPrice": 499.5})
    assert await floor_of(api) == 500
    await put(api, tradera={"floorPrice": 600, "relist": {"times": 2}})
    assert await floor_of(api) == 600
    await put(api, tradera={"floorPrice": 700, "relist": {"floorPrice": 700}})
    assert await floor_of(api) == 700


@pytest.mark.parametrize(
    ("wish", "fields"),
    [
        ({"floorPrice": "x"}, {"tradera.floorPrice"}),
        ({"floorPrice": 951}, {"tradera.floorPrice"}),
        ({"relist": {"floorPrice": 951}}, {"tradera.relist.floorPrice"}),
        (
            {"floorPrice": 500, "relist": {"floorPrice": 600}},
            {"tradera.floorPrice", "tradera.relist.floorPrice"},
        ),
    ],
)
async def test_a_floor_that_cannot_be_is_refused(api: Api, wish: Any, fields: set[str]) -> None:
    """Above the price it would never come back, and which of two counts is not guessed."""
    assert set(await refused(api, tradera=wish)) == fields


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("http://erp.shop.se/hook", "webhooks.allow_http"),
        ("https://10.0.0.7/hook", "webhooks.allow_private_networks"),
        ("http://localhost:8080/hook", "webhooks.allow_http"),
    ],
)
async def test_a_refused_webhook_address_names_its_setting(open_api: OpenApi, url: str, setting: str) -> None:
    """In the settings of the first endpoint and in those of any other."""
    api = await open_api(check_webhook_url=check_webhook_url(Settings()))
    first = await api.own("PUT", "/integration/webhook-settings", {"webhookUrl": url})
    other = await api.own("POST", "/integration/webhooks", {"url": url})
    assert (first.status, other.status) == (422, 422)
    assert setting in first.fields["webhookUrl"]
    assert setting in other.fields["url"]


@pytest.mark.parametrize("path", ["/partner/subscription", "/partner/checkout", "/partner/checkout/session"])
async def test_what_only_the_hosted_service_sells_is_not_found(api: Api, path: str) -> None:
    """Subscription and checkout have no counterpart here."""
    for method in ("GET", "POST"):
        assert (await api.own(method, path, {})).code == "NOT_FOUND"
