"""The first stage's refusals, one per rule."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.sandbox.shop import draw
from rheod.sandbox.tradera_market import (
    DeclinedError,
    check_new_listing,
    image_problem,
)
from tests.sandbox.playing_seller import new_body


def refused(*, restricted: bool = False, **changes: Any) -> tuple[int, str, str]:
    with pytest.raises(DeclinedError) as caught:
        check_new_listing(new_body(**changes), restricted=restricted)
    return caught.value.status, caught.value.code, caught.value.message


def option(**fields: Any) -> list[dict[str, Any]]:
    return [fields]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "x" * 80, "description": "y" * 7000},
        {"ownReferences": ["r" * 60]},
        {"reservePrice": 60, "buyItNowPrice": 70},
        {"itemType": 3, "startPrice": None, "buyItNowPrice": 100, "duration": 60},
        {"duration": 14, "restarts": 2, "acceptedBidderId": 4, "itemAttributes": [1]},
        {"shippingOptions": [{"shippingProviderId": 6, "cost": 0}, {"shippingOptionId": 8, "cost": 0}]},
        {
            "shippingOptions": [{"shippingProviderId": 6, "cost": n} for n in (1, 2)]
            + [{"shippingOptionId": 8, "cost": 0}]
        },
        {"vat": 25},
    ],
)
def test_taken(changes: dict[str, Any]) -> None:
    """What lies just within the rules is taken."""
    check_new_listing(new_body(**changes), restricted=False)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"title": "x" * 81}, "title"),
        ({"title": " "}, "title"),
        ({"description": "y" * 7001}, "description"),
        ({"description": None}, "description"),
        ({"startPrice": 0}, "startPrice"),
        ({"startPrice": None}, "startPrice"),
        ({"itemAttributes": None}, "ItemAttributes are missing"),
        ({"itemAttributes": [3]}, "itemAttributes"),
        ({"shippingOptions": option(shippingProviderId=2, cost=5)}, "needs a shippingProductId"),
        ({"duration": 15}, "duration"),
        ({"itemType": 3, "startPrice": None, "buyItNowPrice": 100, "duration": 61}, "duration"),
        ({"duration": None}, "duration"),
        ({"restarts": 3}, "restarts"),
        ({"itemType": 4}, "itemType"),
        ({"itemType": 3}, "buyItNowPrice"),
        ({"reservePrice": 50}, "reservePrice"),
        ({"reservePrice": 80, "buyItNowPrice": 70}, "reservePrice"),
        ({"buyItNowPrice": 50}, "buyItNowPrice"),
        ({"ownReferences": ["r" * 61]}, "ownReferences"),
        ({"shippingCondition": "s" * 501}, "shippingCondition"),
        ({"vat": 7}, "vat"),
        ({"shippingOptions": None}, "shippingOptions"),
        ({"shippingOptions": option(shippingProviderId=6, cost=1) * 3}, "shippingOptions"),
        ({"shippingOptions": option(shippingProviderId=6, shippingOptionId=8, cost=1)}, "exactly one"),
        ({"shippingOptions": option(cost=1)}, "exactly one"),
        ({"shippingOptions": option(shippingProviderId=6)}, "cost"),
    ],
)
def test_refused(changes: dict[str, Any], word: str) -> None:
    """What breaks a rule is a 400 whose sentence names it."""
    status, code, message = refused(**changes)
    assert (status, code) == (400, "BadRequest")
    assert word in message


def test_bidder_region_has_its_own_code() -> None:
    """A create without acceptedBidderId gets the code seen in production."""
    assert refused(acceptedBidderId=None)[:2] == (400, "AllowedBuyerRegionInvalid")


def test_obsolete_shipping_option_is_a_server_error() -> None:
    """An obsolete shipping option id is answered with 500, as seen with 10."""
    assert refused(shippingOptions=option(shippingOptionId=10, cost=1))[0] == 500


def test_restricted_seller_only_plain_auctions() -> None:
    """A restricted seller's Buy Now price or short auction is refused, a plain week's auction is not."""
    check_new_listing(new_body(), restricted=True)
    assert refused(restricted=True, buyItNowPrice=100)[1] == "OnlyAuctionsAllowed"
    assert refused(restricted=True, duration=5)[1] == "OnlyAuctionsAllowed"


def test_pictures_are_sniffed() -> None:
    """Real pictures pass under every number that may mean them; others, cut ones and big ones do not."""
    jpeg, png, gif = (draw("a", 16, 16, kind) for kind in ("jpg", "png", "gif"))
    for data, formats in ((jpeg, (0, 1)), (gif, (0, 1)), (png, (2,))):
        for number in range(3):
            assert (image_problem(data, number) is None) == (number in formats)
    assert image_problem(draw("a", 16, 16, "webp"), 0) == "image is not a JPEG, PNG or GIF"
    assert image_problem(jpeg[:-20], 0) == "image is cut off"
    assert image_problem(jpeg[:-2] + b"\0" * 4_200_000 + b"\xff\xd9", 0) == "image is larger than 4 MB"
