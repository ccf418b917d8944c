"""What Tradera's first stage refuses beyond the contract: lengths, prices, shipping, categories.

Pure functions over a body that fits the contract. Also the simulator's small category tree: only leaves take listings, as at
Tradera. The categories that rheod uses by default are leaves here; their names are our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

Spelling = Literal["id", "categoryId"]

_TREE: dict[tuple[int, str], dict[int, str]] = {
    (10, "Fordon, båtar & delar"): {520: "Fordon", **{n: f"Bildelar {n}" for n in range(8290, 8301)}},
    (20, "Antikt, konst & samlarobjekt"): {516: "Konst", 536: "Samlarföremål"},
    (30, "Hem & hushåll"): {529: "Hem & trädgård", 541: "Verktyg", 302571: "Rörstrand"},
    (40, "Kläder & smycken"): {
        530: "Mode",
        531: "Klockor",
        537: "Skönhet",
        **{n: f"Smycken {n}" for n in range(8174, 8179)},
    },
    (50, "Teknik"): {523: "Industri", 524: "Datorer", 525: "Elektronik"},
    (60, "Fritid"): {517: "Leksaker", 521: "Böcker", 527: "Sport", 533: "Spel", 535: "Musik"},
    (70, "Övrigt"): {344481: "Testauktioner", 344482: "Övrigt"},
}
LEAVES = frozenset(leaf for leaves in _TREE.values() for leaf in leaves)
PARENTS = frozenset(parent for parent, _ in _TREE)


def category_tree(spelling: Spelling = "id") -> list[dict[str, Any]]:
    """Give the tree as JSON in one of the two spellings that Tradera has been seen to answer with."""
    return [
        _node(spelling, parent, name, [_node(spelling, leaf, text, []) for leaf, text in leaves.items()])
        for (parent, name), leaves in _TREE.items()
    ]


def _node(spelling: Spelling, number: int, name: str, children: list[dict[str, Any]]) -> dict[str, Any]:
    if spelling == "id":
        return {"id": number, "name": name, "childCategories": children}
    return {"categoryId": number, "categoryName": name, "subCategories": children}


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Body = Mapping[str, Any]

AUCTION, FIXED_PRICE = 1, 3
MAX_IMAGES = 12
MAX_IMAGE_BYTES = 4 * 1024 * 1024
_KNOWN_SHIPPING_OPTIONS = frozenset({1, 2, 6, 7, 8, 12, 13, 20})
_KINDS = (  # first bytes, last bytes, the imageFormat numbers that fit
    (b"\xff\xd8\xff", b"\xff\xd9", {0, 1}),
    (b"GIF8", b";", {0, 1}),
    (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82", {2}),
)


class DeclinedError(Exception):
    """The simulated Tradera refuses a call with this HTTP status, error code and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_request(message: str) -> DeclinedError:
    """Make the usual refusal: 400 `BadRequest` with a sentence."""
    return DeclinedError(400, "BadRequest", message)


def check_new_listing(body: Body, *, restricted: bool) -> None:
    """Raise DeclinedError for the first rule a create body breaks.

    `restricted` sellers (new accounts) may only make plain auctions of at least 7 days.
    """
    if body.get("acceptedBidderId") not in {1, 3, 4}:
        raise DeclinedError(400, "AllowedBuyerRegionInvalid", "acceptedBidderId must be 1, 3 or 4")
    for rule in _RULES:
        problem = rule(body)
        if problem is not None:
            raise bad_request(problem)
    _check_known_shipping(body)
    if restricted and (body["itemType"] != AUCTION or body.get("buyItNowPrice") or body["duration"] < 7):
        raise DeclinedError(400, "OnlyAuctionsAllowed", "Only auctions of at least 7 days are allowed")


def _text(body: Body) -> str | None:
    title, description = body.get("title") or "", body.get("description") or ""
    if not title.strip() or not description.strip():
        return "title and description are required"
    if len(title) > 80:
        return "title may be at most 80 characters"
    return "description may be at most 7000 characters" if len(description) > 7000 else None


def _conditions(body: Body) -> str | None:
    for name in ("shippingCondition", "paymentCondition"):
        if len(body.get(name) or "") > 500:
            return f"{name} may be at most 500 characters"
    if any(len(reference) > 60 for reference in body.get("ownReferences") or ()):
        return "ownReferences may be at most 60 characters each"
    return None


def _category(body: Body) -> str | None:
    number = body.get("categoryId")
    if number in PARENTS:
        return f"categoryId {number} is not a leaf category"
    return None if number in LEAVES else "categoryId is not a known category"


def _kind(body: Body) -> str | None:
    if body.get("itemType") not in {AUCTION, FIXED_PRICE}:
        return "itemType must be 1 (auction) or 3 (fixed price)"
    if not 1 <= body.get("duration", 0) <= (14 if body["itemType"] == AUCTION else 365):
        return "duration must be 1 to 14 days"
    if not 0 <= body.get("restarts", 0) <= 2:
        return "restarts must be 0 to 2"
    attributes = body.get("itemAttributes") or []
    if not attributes:
        return "ItemAttributes are missing"
    return None if attributes in ([1], [2]) else "itemAttributes must be [1] (new) or [2] (used)"


def _prices(body: Body) -> str | None:
    start, reserve, buy_now = (body.get(name, 0) for name in ("startPrice", "reservePrice", "buyItNowPrice"))
    if body["itemType"] == FIXED_PRICE:
        return None if buy_now >= 1 else "buyItNowPrice must be at least 1"
    return price_problem(start, reserve, buy_now)


def price_problem(start: int, reserve: int, buy_now: int) -> str | None:
    """Check an auction's prices in SEK (0 = none): start >= 1 and start < reserve < Buy Now."""
    if start < 1:
        return "startPrice must be at least 1"
    if reserve < 0 or buy_now < 0:
        return "prices may not be negative"
    if buy_now and buy_now <= start:
        return "buyItNowPrice must lie above startPrice"
    if reserve and (reserve <= start or (buy_now and reserve >= buy_now)):
        return "reservePrice must lie between startPrice and buyItNowPrice"
    return None


def _vat(body: Body) -> str | None:
    return None if body.get("vat") in {None, 0, 6, 12, 25} else "vat must be 0, 6, 12 or 25"


def _shipping(body: Body) -> str | None:
    options = body.get("shippingOptions") or []
    if not 1 <= len(options) <= 2:
        return "shippingOptions must hold one or two options"
    for option in options:
        provider, legacy = option.get("shippingProviderId"), option.get("shippingOptionId")
        if (provider is None) == (legacy is None):
            return "a shipping option needs exactly one of shippingProviderId and shippingOptionId"
        if option.get("cost", -1) < 0:
            return "a shipping option needs a cost of at least 0"
    return None


def _check_known_shipping(body: Body) -> None:
    """Obsolete option ids are answered with 500, as Tradera does with 10."""
    for option in body.get("shippingOptions") or ():
        legacy = option.get("shippingOptionId")
        if legacy is not None and legacy not in _KNOWN_SHIPPING_OPTIONS:
            raise DeclinedError(500, "InternalServerError", "An unexpected error occurred")


_RULES: tuple[Callable[[Body], str | None], ...] = (
    _text,
    _conditions,
    _category,
    _kind,
    _prices,
    _vat,
    _shipping,
)


def image_problem(data: bytes, declared: int) -> str | None:
    """Judge a picture as the queue does later (resultCode 2); `declared` is the imageFormat number.

    JPEG and GIF may be called 0 or 1, for the sources disagree on which is which; PNG is 2.
    """
    if len(data) > MAX_IMAGE_BYTES:
        return "image is larger than 4 MB"
    for head, tail, formats in _KINDS:
        if data.startswith(head):
            if not data.endswith(tail):
                return "image is cut off"
            return None if declared in formats else "image is of another format than declared"
    return "image is not a JPEG, PNG or GIF"
