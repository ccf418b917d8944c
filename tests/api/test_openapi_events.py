"""The events that are really sent are those the document tells, field for field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from rheod.api.openapi_schemas import EVENT_SCHEMAS, webhooks
from rheod.domain import event_payloads
from rheod.domain.effects import apply
from rheod.domain.errors import Text
from rheod.domain.event_payloads import WEBHOOK_EVENT_CLASSES, ImagesFailed, ItemCreated
from rheod.domain.inputs import (
    AdClosed,
    EndRefused,
    Held,
    Input,
    PicturesSettled,
    PublishFailed,
    Removal,
    Sold,
    TakenBack,
    WentLive,
)
from rheod.domain.model import (
    WEBHOOK_EVENTS,
    CloseReason,
    EndWish,
    Event,
    EventType,
    Item,
    ItemSpec,
    ItemType,
    Ladder,
    Listing,
    ListingState,
    RheoStatus,
    TraderaStatus,
)
from rheod.webhooks.client import signature_headers
from tests.api.contract.judge import Judge

ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
ITEM = Item(
    id=ID,
    account_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    external_id="X",
    spec=ItemSpec(title="Kopp", price_ore=95050, metadata={"shelf": {"row": 3}}),
)
ACTIVE = replace(ITEM, rheo_status=RheoStatus.ACTIVE)
UP = replace(ACTIVE, tradera_status=TraderaStatus.ACTIVE)
QUEUED = Listing(id="l", item_id=ID, account_id="a", generation=1, tradera_item_id=77)
LIVE = replace(QUEUED, state=ListingState.LIVE, price_kr=950)
COMMITTED = replace(QUEUED, state=ListingState.COMMITTED, price_kr=950)

CAUSES: tuple[tuple[Item, Listing | None, Input], ...] = (
    (ITEM, QUEUED, PicturesSettled(ready=2)),
    (ITEM, QUEUED, PicturesSettled(ready=0, failures=("gone",))),
    (
        replace(ACTIVE, tradera_status=TraderaStatus.PENDING_SYNC),
        COMMITTED,
        WentLive(ad_url="https://t/77"),
    ),
    (
        replace(ACTIVE, tradera_status=TraderaStatus.PENDING_SYNC),
        replace(
            COMMITTED, ladder=Ladder(first_kr=1000, price_kr=950, attempt=1, previous_ad=76, previous_kr=1000)
        ),
        WentLive(ad_url="https://t/77"),
    ),
    (replace(ACTIVE, tradera_status=TraderaStatus.PENDING_SYNC), QUEUED, PublishFailed(error="no")),
    (UP, LIVE, Sold(order_id=9, price_ore=110050)),
    (UP, LIVE, AdClosed(reason=CloseReason.NO_BIDS)),
    (ACTIVE, None, Removal(wish=EndWish.MARKED_SOLD)),
    (
        replace(UP, rheo_status=RheoStatus.SOLD),
        replace(LIVE, end_wish=EndWish.MARKED_SOLD),
        EndRefused(error="bids"),
    ),
    (
        replace(ACTIVE, rheo_status=RheoStatus.SOLD),
        replace(LIVE, state=ListingState.SOLD),
        TakenBack(reason="unpaid", refunded=True, price_ore=110050, order_id=9),
    ),
    (ACTIVE, QUEUED, Held(reason=Text("Choose a category"), missing=("Skick",))),
)


def sent() -> Iterator[Event]:
    """Every event that the lifecycle and an upload cause."""
    yield ItemCreated(type=ItemType.CONTAINER).event()
    yield ImagesFailed(pictures=({"url": "https://i/1", "error": "no"},)).event()
    for item, listing, event in CAUSES:
        yield from (
            event for event in apply(item, listing, event, now=1).events if event.type in WEBHOOK_EVENTS
        )


def test_the_causes_of_this_test_send_every_event() -> None:
    """Each kind of webhook event about an item is among those looked at, and each is told."""
    about_items = {each for each in WEBHOOK_EVENTS if not each.startswith("order.")}
    assert {event.type for event in sent()} == about_items
    assert set(webhooks()) == WEBHOOK_EVENTS
    assert {each.EVENT for each in WEBHOOK_EVENT_CLASSES} == WEBHOOK_EVENTS


@pytest.mark.parametrize("event_type", sorted(WEBHOOK_EVENTS))
def test_a_test_event_is_as_told(event_type: EventType) -> None:
    """A test event of any type has the fields of that type, a member's reference, and the mark of a test."""
    body = json.loads(
        event_payloads.made_up_body(
            event_id=event_payloads.new_event_id(1_779_892_320_000, Random(1)),
            now=1_779_892_320_000,
            account_id=ITEM.account_id,
            event_type=event_type,
            member="TEST",
        )
    )
    told = webhooks()[event_type]["post"]["requestBody"]["content"]["application/json"]
    assert faults(told["schema"], body) == []
    assert (body["eventType"], body["data"]["test"]) == (event_type, True)
    assert body["data"]["account"] == {"rheoUserId": ITEM.account_id, "memberExternalId": "TEST"}


@pytest.mark.parametrize("event", list(sent()), ids=lambda event: str(event.type))
@pytest.mark.parametrize("item", [ITEM, replace(ITEM, spec=replace(ITEM.spec, metadata=None))])
def test_a_real_event_is_as_told(event: Event, item: Item) -> None:
    """Its body has every field of its schema that is always there, and none that is not told."""
    event_id = event_payloads.new_event_id(1_779_892_320_000, Random(1))
    body = json.loads(
        event_payloads.webhook_body(event_id=event_id, now=1_779_892_320_000, item=item, event=event)
    )
    told = webhooks()[event.type]["post"]["requestBody"]["content"]["application/json"]
    assert faults(told["schema"], body) == []
    assert faults(told["schema"], told["example"]) == []


def faults(schema: Any, body: Any) -> list[str]:
    """What keeps an event from fitting; fields its schema does not name count, whichever part names them."""
    found = Judge({"components": {"schemas": dict(EVENT_SCHEMAS)}}, is_closed=False).fits(schema, body)
    adds = schema["allOf"][1]["properties"]["data"]["properties"]
    named = {**EVENT_SCHEMAS["EventData"]["properties"], **adds}
    return found + [f"{name} is not told" for name in body["data"] if name not in named]


def test_the_headers_of_a_delivery_are_told() -> None:
    """Every signature header, that of a rotation too, stands in the document; the old one alone is optional."""
    real = signature_headers("evt_1", 1, b"{}", "whsec_test", "whsec_old")
    for each in webhooks().values():
        headers = {header["name"]: header["required"] for header in each["post"]["parameters"]}
        assert headers == {name: name != "X-Rheo-Signature-Previous" for name in real}
