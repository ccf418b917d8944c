"""Tradera's answers in our types.

A tolerant reader: unknown fields, nulls and missing optionals are fine; a value we cannot do without raises
WrongShapeError, which names the field and never its value, for buyers' data passes through here. No I/O.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rheod.domain.errors import Text
from rheod.domain.model import Order, OrderLine, SellerAd

_OLDEST_MS = 946_684_800_000  # 2000: whatever is older is a default value such as 0001-01-01, not a time
_MAX_TEXT = 2000
_LARGEST = 2**53
_LARGEST_VERSION = 2**63 - 1


class WrongShapeError(ValueError):
    """An answer lacks what we need from it; the text names the field, never its value."""


def refusal(answer: Any) -> str | None:
    """The sentence of a refusal that came inside a 200, or None: `false`, `isSuccessful`, `validationErrors`."""
    if answer is False:
        return Text("no reason given")
    if not isinstance(answer, dict):
        return None
    errors = answer.get("validationErrors") or answer.get("errors") or answer.get("validationError")
    if answer.get("isSuccessful") is True or (answer.get("isSuccessful") is None and not errors):
        return None
    return "; ".join(filter(None, map(_error_text, errors if isinstance(errors, list) else [errors]))) or (
        text(answer.get("message")) or Text("no reason given")
    )


def own_words(answer: Any) -> str:
    """The message of an error body in any of the shapes seen; "" when there is none."""
    if not isinstance(answer, dict):
        return ""
    error = answer.get("error")
    if isinstance(error, dict):
        parts = [text(error.get("code"), 100), text(error.get("message"), 500)]
        return ": ".join(part for part in parts if part)
    return text(error, 500) or text(answer.get("message"), 500) or text(answer.get("title"), 500)


def without(secrets: tuple[str, ...], value: Any) -> Any:
    """The value with these texts masked wherever they stand in it, since Tradera's words reach partners and logs.

    May raise RecursionError.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
        return value
    if isinstance(value, dict):
        return {without(secrets, name): without(secrets, part) for name, part in value.items()}
    return [without(secrets, part) for part in value] if isinstance(value, list) else value


def whole(value: Any, largest: int = _LARGEST) -> int | None:
    """A whole number, also written as 250.0, of at most `largest` either way; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        return None
    return int(value) if abs(value) <= largest else None


def text(value: Any, limit: int = _MAX_TEXT) -> str:
    """A text without control characters and lone surrogates, cut to `limit`; "" for anything but a text."""
    if not isinstance(value, str):
        return ""
    kept = (" " if ch.isspace() else ch for ch in value[:limit] if ch.isspace() or not _is_unfit(ch))
    return "".join(kept).strip()


def _is_unfit(ch: str) -> bool:
    return unicodedata.category(ch) in {"Cc", "Cs"}


def time_ms(value: Any) -> int | None:
    """An ISO-8601 date-time as ms UTC; without a zone it is taken as UTC. None for what is no time or a default."""
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        at = round(moment.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
    return at if at >= _OLDEST_MS else None


def fields_of(value: Any, what: str) -> dict[str, Any]:
    """An object; raises WrongShapeError for anything else."""
    if not isinstance(value, dict):
        raise WrongShapeError(f"{what} is not an object")
    return value


def entries_of(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of objects; an empty answer is an empty list. Raises WrongShapeError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongShapeError(f"{what} is not a list")
    return [fields_of(entry, f"an entry of {what}") for entry in value]


def identity(fields: dict[str, Any], name: str) -> int:
    """One of Tradera's numbers for a thing, which must be there; raises WrongShapeError."""
    number = whole(fields.get(name))
    if number is None or number <= 0:
        raise WrongShapeError(f"{name} is missing or not a number above 0")
    return number


def version(fields: dict[str, Any], name: str) -> int:
    """A 64-bit number that must be there; raises WrongShapeError."""
    number = whole(fields.get(name), _LARGEST_VERSION)
    if number is None:
        raise WrongShapeError(f"{name} is missing or not a number")
    return number


def specified(fields: dict[str, Any], name: str) -> int | None:
    """A number, unless its `…Specified` sibling says it has no meaning."""
    return None if fields.get(f"{name}Specified") is False else whole(fields.get(name))


def flag(value: Any) -> bool | None:
    """True or false; None for anything else."""
    return value if isinstance(value, bool) else None


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list that are not empty; none for anything but a list."""
    return tuple(filter(None, map(text, value))) if isinstance(value, list) else ()


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        return text(error.get("errorMessage"), 500) or text(error.get("message"), 500)
    return text(error, 500)


_BUYER_FIELDS = 40


class ResultState(StrEnum):
    """What a request result says, read from its flags."""

    DONE = "done"
    WAITING = "waiting"
    UNCOMMITTED = "uncommitted"
    AGAIN = "again"  # failed, but a new attempt may help
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one queued request: `code` is a set of flags, `message` Tradera's own words or ""."""

    code: int
    message: str

    @property
    def outcome(self) -> ResultState:
        """The flags in the order in which they decide; no flag at all says nothing yet."""
        for bit, outcome in (
            (1, ResultState.DONE),
            (128, ResultState.WAITING),
            (256, ResultState.UNCOMMITTED),
            (16, ResultState.AGAIN),
        ):
            if self.code & bit:
                return outcome
        return ResultState.FAILED if self.code else ResultState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Tradera's two numbers of a new, uncommitted listing."""

    request_id: int
    tradera_item_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whose token it is."""

    user_id: int
    alias: str


def read_created(answer: Any) -> Created:
    """`QueuedRequestResponse`; both numbers must be there."""
    fields = fields_of(answer, "the answer to create")
    return Created(request_id=identity(fields, "requestId"), tradera_item_id=identity(fields, "itemId"))


def read_results(answer: Any, asked: set[int]) -> dict[int, Result]:
    """Results by request id; a request without a result yet is absent, and so is what nobody asked for."""
    results = {}
    for entry in entries_of(answer, "request-results"):
        request_id, code = whole(entry.get("requestId")), whole(entry.get("resultCode"))
        if request_id is not None and code is not None and request_id in asked:
            results[request_id] = Result(code=code, message=text(entry.get("message")))
    return results


def read_listed(answer: Any) -> SellerAd:
    """One `Item`; only its id is indispensable."""
    item = fields_of(answer, "an item")
    status = item.get("status")
    status = status if isinstance(status, dict) else {}
    link = text(item.get("itemLink"))
    return SellerAd(
        tradera_item_id=identity(item, "id"),
        item_type=whole(item.get("itemType")),
        own_references=texts(item.get("ownReferences")),
        total_bids=whole(item.get("totalBids")) or 0,
        max_bid_kr=specified(item, "maxBid"),
        opening_kr=specified(item, "openingBid"),
        buy_now_kr=specified(item, "buyItNowPrice"),
        remaining=whole(item.get("remainingQuantity")),
        reserve_reached=flag(item.get("reservePriceReached")),
        ended=flag(status.get("ended")),
        got_winner=flag(status.get("gotWinner")),
        ends_at=time_ms(item.get("endDate")),
        link=link if link.startswith(("https://", "http://")) else None,
    )


def read_listed_all(answer: Any) -> list[SellerAd]:
    """A list of `Item`."""
    return [read_listed(entry) for entry in entries_of(answer, "seller-items")]


def read_updated(answer: Any) -> list[tuple[int, int]]:
    """`UpdatedItemInfo[]` as (item id, row version)."""
    entries = entries_of(answer, "updated-seller-items")
    return [(identity(entry, "id"), version(entry, "rowVersion")) for entry in entries]


def read_orders(answer: Any) -> list[Order]:
    """`SellerOrder[]`; a line without an item number keeps number 0, so that its sale is shown and not lost."""
    return [_order(entry) for entry in entries_of(answer, "orders")]


def read_shipped(answer: Any) -> set[int]:
    """Of `Transaction[]` the ads marked as shipped: where an ad was sold several times, each of its sales is."""
    marked: dict[int, bool] = {}
    for entry in entries_of(answer, "seller-transactions"):
        item = entry.get("item")
        ad = whole(item.get("id")) if isinstance(item, dict) else None
        if ad:
            marked[ad] = marked.get(ad, True) and flag(entry.get("isMarkedAsShipped")) is True
    return {ad for ad, shipped in marked.items() if shipped}


def read_member(answer: Any) -> Member:
    """`users/me`, of which only number and alias are kept."""
    fields = fields_of(answer, "users/me")
    return Member(
        user_id=whole(fields.get("id")) or identity(fields, "userId"), alias=text(fields.get("alias"))
    )


def read_token(answer: Any) -> tuple[str, int | None]:
    """A seller's token and when it ends (ms UTC; None when Tradera does not say)."""
    fields = fields_of(answer, "auth/token")
    token = text(fields.get("authToken"))
    if not token:
        raise WrongShapeError("it has no authToken")
    return token, time_ms(fields.get("hardExpirationTime"))


def read_clock(answer: Any) -> int | None:
    """Tradera's time (ms UTC): a bare string or `{"time": ...}`; None when it is neither."""
    return time_ms(answer.get("time") if isinstance(answer, dict) else answer)


def _order(entry: dict[str, Any]) -> Order:
    subtotal = whole(entry.get("subTotal")) or 0
    created = time_ms(entry.get("createdDate"))
    updated = time_ms(entry.get("lastUpdatedDate")) or created or 0
    items = entry.get("items")
    lines = [line for line in items if isinstance(line, dict)] if isinstance(items, list) else []
    return Order(
        order_id=identity(entry, "orderId"),
        created_at=created or updated,
        updated_at=updated,
        lines=tuple(_line(line, lone_price=subtotal if len(lines) == 1 else 0) for line in lines),
        subtotal_ore=subtotal * 100,
        paid_at=_paid_at(entry.get("sellerOrderPayments"), updated),
        buyer=_buyer(entry),
    )


def _line(line: dict[str, Any], *, lone_price: int) -> OrderLine:
    price = whole(line.get("unitPrice"))
    return OrderLine(
        tradera_item_id=whole(line.get("itemId")) or 0,
        quantity=max(1, whole(line.get("quantity")) or 1),
        unit_price_ore=(lone_price if price is None else price) * 100,
        own_references=texts(line.get("ownReferences")),
        title=text(line.get("title")),
    )


def _paid_at(payments: Any, updated: int) -> int | None:
    """When the order was paid: the last payment; an undated one counts from the order's last update."""
    entries = payments if isinstance(payments, list) else []
    times = [time_ms(payment.get("paidDate")) or updated for payment in entries if isinstance(payment, dict)]
    return max(times, default=None)


def _buyer(entry: dict[str, Any]) -> dict[str, Any]:
    """The buyer's own fields as plain texts and numbers; `shipTo` beside them when it differs (shop items)."""
    person = _scalars(entry.get("buyer"))
    ship_to = _scalars(entry.get("shipTo"))
    return {**person, "shipTo": ship_to} if ship_to else person


def _scalars(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    kept = {
        text(key, 60): text(part, 500) or whole(part) for key, part in list(value.items())[:_BUYER_FIELDS]
    }
    return {key: part for key, part in kept.items() if key and part is not None}
