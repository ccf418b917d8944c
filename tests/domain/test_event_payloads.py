"""Event bodies, ids and times, as the contract has them."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.event_payloads import (
    ImagesReady,
    ItemCreated,
    ItemSold,
    ListingCreated,
    ListingEnded,
    ListingFailed,
    WebhookEvent,
    new_event_id,
    new_ulid,
    rfc3339,
    rfc3339_ms,
    sek,
    webhook_body,
)
from rheod.domain.model import CloseReason, Event, EventType, Item, ItemSpec, ItemType, Json

AT = 1_779_789_600_123  # 2026-05-26T10:00:00.123Z


def item(metadata: Json | None = None) -> Item:
    """An item of one account."""
    return Item(
        id="3fa8", account_id="acc-1", external_id="Å-1", spec=ItemSpec(title="Kopp", metadata=metadata)
    )


def test_an_id_is_a_ulid_that_sorts_by_time() -> None:
    """26 characters of Crockford's alphabet; the first ten are the time, as in the ULID specification."""
    assert new_ulid(1_469_918_176_385, Random(1)).startswith("01ARYZ6S41")
    ids = [new_event_id(at, Random(at)) for at in (AT, AT + 1, AT + 5000)]
    assert ids == sorted(ids)
    assert all(len(event_id) == 30 and event_id == event_id.lower() for event_id in ids)


@settings(deadline=None)
@given(st.integers(0, 2**48 - 1), st.integers())
def test_a_ulid_is_26_characters_of_the_alphabet(now: int, seed: int) -> None:
    """For any time and any chance."""
    ulid = new_ulid(now, Random(seed))
    assert len(ulid) == 26
    assert set(ulid) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_times_come_in_whole_seconds_or_exact() -> None:
    """Webhooks show seconds as the contract does; cursors keep the milliseconds."""
    assert rfc3339(AT) == "2026-05-26T10:00:00Z"
    assert rfc3339_ms(AT) == "2026-05-26T10:00:00.123Z"
    assert rfc3339_ms(AT - 123) == "2026-05-26T10:00:00.000Z"


@pytest.mark.parametrize(
    ("ore", "number"), [(110_000, "1100"), (79_550, "795.5"), (79_555, "795.55"), (0, "0")]
)
def test_money_is_a_plain_json_number(ore: int, number: str) -> None:
    """Whole kronor have no decimals, the others at most two."""
    assert json.dumps(sek(ore)) == number


def test_a_sale_has_the_body_of_the_contract() -> None:
    """Envelope, the fields every event has, and what a sale adds; compact UTF-8."""
    sold = ItemSold(tradera_ad_id="398271634", order_id="55501", sale_price_ore=110_000).event()
    event = replace(sold, data={**sold.data, "salePrice": 1})
    body = webhook_body(event_id="evt_1", now=AT, item=item({"shelf": "B4"}), event=event)
    assert '"externalId":"Å-1"'.encode() in body
    assert json.loads(body) == {
        "eventId": "evt_1",
        "eventType": "item.sold",
        "timestamp": "2026-05-26T10:00:00Z",
        "data": {
            "externalId": "Å-1",
            "rheoItemId": "3fa8",
            "platform": "tradera",
            "salePrice": 1100,
            "currency": "SEK",
            "account": {"rheoUserId": "acc-1"},
            "traderaAdId": "398271634",
            "orderId": "55501",
            "metadata": {"shelf": "B4"},
        },
    }


def test_an_event_without_sale_or_metadata_still_has_every_field() -> None:
    """The sale price is 0 unless a sale; there is no metadata when the item has none."""
    event = Event(type=EventType.ITEM_CREATED, data={"type": "item"}, platform="rheo")
    data = json.loads(webhook_body(event_id="evt_1", now=AT, item=item({}), event=event))["data"]
    assert data["salePrice"] == 0
    assert data["platform"] == "rheo"
    assert "metadata" not in data


def test_a_lone_surrogate_cannot_stop_an_event() -> None:
    """Text UTF-8 cannot hold is escaped, so an event once caused can always be written."""
    body = webhook_body(
        event_id="e", now=AT, item=item({"k": "\ud800"}), event=Event(type=EventType.ITEM_CREATED)
    )
    assert json.loads(body)["data"]["metadata"] == {"k": "\ud800"}


BYTES: tuple[tuple[WebhookEvent, str], ...] = (
    (ItemCreated(type=ItemType.CONTAINER), '"type":"container"'),
    (ImagesReady(images_processed=2), '"imagesProcessed":2'),
    (
        ListingCreated(tradera_ad_id="7", tradera_ad_url="https://t/7"),
        '"traderaAdId":"7","traderaAdUrl":"https://t/7"',
    ),
    (ListingEnded(tradera_ad_id="7", reason=CloseReason.NO_BIDS), '"traderaAdId":"7","reason":"no_bids"'),
    (ListingFailed(error="no", tradera_ad_id="7"), '"error":"no","traderaAdId":"7"'),
    (ListingFailed(error="no"), '"error":"no"'),
)


@pytest.mark.parametrize(("event", "adds"), BYTES, ids=lambda each: type(each).__name__)
def test_the_bytes_of_an_event_are_always_the_same(event: WebhookEvent, adds: str) -> None:
    """Receivers that compare bytes see the order of fields they have always seen: what the event adds comes first."""
    shared = (
        '"externalId":"Å-1","rheoItemId":"3fa8","platform":"tradera","salePrice":0,"currency":"SEK",'
        '"account":{"rheoUserId":"acc-1","memberExternalId":"m"},"metadata":{"b":1,"a":2}'
    )
    body = webhook_body(
        event_id="evt_1", now=AT, item=item({"b": 1, "a": 2}), event=event.event(), member="m"
    )
    head = f'"eventId":"evt_1","eventType":"{event.EVENT}","timestamp":"2026-05-26T10:00:00Z"'
    assert body.decode() == f'{{{head},"data":{{{adds},{shared}}}}}'


def test_the_bytes_of_a_sale_are_always_the_same() -> None:
    """At Tradera it names the ad and the order, elsewhere neither; the price and the place are with the shared fields."""
    sold = ItemSold(tradera_ad_id="7", order_id="9", sale_price_ore=110_050).event(once="o")
    elsewhere = ItemSold(sale_price_ore=95_000, platform="rheo").event()
    rest = ',"currency":"SEK","account":{"rheoUserId":"acc-1"}}}'
    at_tradera = webhook_body(event_id="evt_1", now=AT, item=item(), event=sold).decode()
    assert at_tradera.endswith(
        '"data":{"traderaAdId":"7","orderId":"9","externalId":"Å-1","rheoItemId":"3fa8",'
        '"platform":"tradera","salePrice":1100.5' + rest
    )
    by_hand = webhook_body(event_id="evt_1", now=AT, item=item(), event=elsewhere).decode()
    assert by_hand.endswith(
        '"data":{"externalId":"Å-1","rheoItemId":"3fa8","platform":"rheo","salePrice":950' + rest
    )
    assert (sold.once, elsewhere.once) == ("o", None)
