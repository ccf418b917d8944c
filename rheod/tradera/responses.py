"""Tradera's answers in our types.

A tolerant reader: unknown fields, nulls and missing optionals are fine; a value we cannot do without raises
WrongShapeError, which names the field and never its value, for buyers' data passes through here. No I/O.
"""

from __future__ import annotations

import asyncio
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

import structlog

from rheod.domain.answers import Answer
from rheod.domain.calendar import SWEDEN
from rheod.domain.errors import Text
from rheod.domain.model import SellerAd

_log = structlog.get_logger(__name__)

_OLDEST_MS = 946_684_800_000  # 2000: whatever is older is a default value such as 0001-01-01, not a time
_MAX_TEXT = 2000
_LARGEST = 2**53
_LARGEST_VERSION = 2**63 - 1
_MOST_KRONOR = 10**10
_AMOUNT = re.compile(r"[0-9]{1,10}([.,][0-9]{1,4})?")


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


def said(answer: Any, numbers: Mapping[str, int]) -> Answer:
    """What the body of a 2xx says of a call; `numbers` are the fields that must be there, 0 for one that is not known.

    A field that names another number than was asked for makes it an answer about something else.
    """
    if answer is None:
        return Answer.EMPTY
    if isinstance(answer, bool):
        return Answer.YES if answer else Answer.NO
    if isinstance(answer, dict) and answer:
        return _said_in(answer, numbers)
    if isinstance(answer, dict | list) and not answer:
        return Answer.EMPTY_OBJECT if isinstance(answer, dict) else Answer.EMPTY_LIST
    return Answer.ELSE


def _said_in(answer: dict[str, Any], numbers: Mapping[str, int]) -> Answer:
    if any(given not in {None, numbers[name]} for name, given in _told(answer, numbers) if numbers[name]):
        return Answer.OTHERS_NUMBERS
    if refusal(answer) is not None:
        return Answer.UNSUCCESSFUL
    if "isSuccessful" in answer:
        return Answer.SUCCESSFUL if answer["isSuccessful"] is True else Answer.UNDECIDED
    given = [(whole(answer.get(name)) or 0) > 0 for name in numbers]
    return Answer.NUMBERS if given and all(given) else Answer.ELSE


def _told(answer: dict[str, Any], numbers: Mapping[str, int]) -> Iterator[tuple[str, int | None]]:
    """The numbers of things that an answer and its errors name."""
    errors = answer.get("validationErrors")
    for part in (answer, *(errors if isinstance(errors, list) else [])):
        if isinstance(part, dict):
            yield from ((name, whole(part.get(name))) for name in numbers)


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


def tolerant_whole(value: Any) -> int | None:
    """A whole number, or one written in digits."""
    written = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16
    return int(value) if written else whole(value)


def ore(value: Any) -> int | None:
    """An amount of kronor in öre, at least 0: a number with or without decimals, or one in digits such as "950,50".

    None for anything else: an amount that cannot be read is never 0.
    """
    if isinstance(value, str) and _AMOUNT.fullmatch(value.strip()):
        value = float(value.strip().replace(",", "."))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(value * 100) if 0 <= value <= _MOST_KRONOR else None  # None too for what is no number


def text(value: Any, limit: int = _MAX_TEXT) -> str:
    """A text without control characters and lone surrogates, cut to `limit`; "" for anything but a text."""
    if not isinstance(value, str):
        return ""
    kept = (
        " " if ch.isspace() else ch
        for ch in value[:limit]
        if ch.isspace() or unicodedata.category(ch) not in {"Cc", "Cs"}
    )
    return "".join(kept).strip()


class Times:
    """What Tradera's times mean that name no zone: UTC, until its own time has told whether they are Swedish.

    `wanted` is set by the first such time: then somebody asks for Tradera's.
    """

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self._zone: tzinfo = UTC
        self._decided = False

    @contextmanager
    def read(self) -> Iterator[None]:
        """What is read within is of the Tradera whose times these are."""
        token = _TIMES.set(self)
        try:
            yield
        finally:
            _TIMES.reset(token)

    def zoned(self, moment: datetime) -> datetime:
        """A time without a zone, in the one that it is taken to be of."""
        if not self._decided:
            self.wanted.set()
        return moment.replace(tzinfo=self._zone)

    def decide(self, answer: Any, now: int) -> None:
        """Tradera's own time at this moment (ms UTC): as UTC or as Swedish time, whichever is nearer. It is told once."""
        try:
            value: Any = answer.get("time") if isinstance(answer, dict) else answer
            told = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return
        if told.tzinfo is None:
            self._zone = min(
                (UTC, SWEDEN), key=lambda zone: abs(told.replace(tzinfo=zone).timestamp() * 1000 - now)
            )
        self._decided = True
        self.wanted.clear()
        _log.warning("Tradera's times name no zone", taken_as=str(self._zone))


_TIMES: ContextVar[Times | None] = ContextVar("times", default=None)


def time_ms(value: Any) -> int | None:
    """An ISO-8601 date-time as ms UTC; for one without a zone see `Times`. None for what is no time or a default."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            times = _TIMES.get()
            moment = moment.replace(tzinfo=UTC) if times is None else times.zoned(moment)
        at = round(moment.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None
    return at if at >= _OLDEST_MS else None


def fields_of(value: Any, what: str) -> dict[str, Any]:
    """An object; raises WrongShapeError for anything else."""
    if not isinstance(value, dict):
        raise WrongShapeError(f"{what} is not an object")
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """A list of whatever; an empty answer is an empty list. Raises WrongShapeError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongShapeError(f"{what} is not a list")
    return value


def entries_of(value: Any, what: str) -> list[dict[str, Any]]:
    """The objects of a list; what else stands in it is no entry. Raises WrongShapeError for no list."""
    return [entry for entry in list_of(value, what) if isinstance(entry, dict)]


def identity(fields: dict[str, Any], name: str) -> int:
    """One of Tradera's numbers for a thing, which must be there; raises WrongShapeError."""
    number = whole(fields.get(name))
    if number is None or number <= 0:
        raise WrongShapeError(f"{name} is missing or not a number above 0")
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
class CreatedRequest:
    """Tradera's two numbers of a new, uncommitted listing."""

    request_id: int
    tradera_item_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whose token it is."""

    user_id: int
    alias: str


def read_created(answer: Any) -> CreatedRequest:
    """`QueuedRequestResponse`; both numbers must be there."""
    fields = fields_of(answer, "the answer to create")
    return CreatedRequest(
        request_id=identity(fields, "requestId"), tradera_item_id=identity(fields, "itemId")
    )


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
        started_at=time_ms(item.get("startDate")),
        ends_at=time_ms(item.get("endDate")),
        category_id=whole(item.get("categoryId")) or None,
        link=link if link.startswith(("https://", "http://")) else None,
    )


def read_listed_one(answer: Any, number: int) -> SellerAd:
    """The ad that was asked for; WrongShapeError for another."""
    ad = read_listed(answer)
    if ad.tradera_item_id != number:
        raise WrongShapeError("it is about another ad")
    return ad


def read_restarts(answer: Any) -> int | None:
    """The number of the newest ad that Tradera has made of another by restarting it; None without one."""
    fields = fields_of(answer, "restarts")
    newest = fields.get("lastRestartedItemId")
    if isinstance(newest, int) and not isinstance(newest, bool) and newest > 0:
        return newest
    made = [
        entry["restartedAsItemId"]
        for entry in fields.get("restartedItems") or ()
        if isinstance(entry, dict) and isinstance(entry.get("restartedAsItemId"), int)
    ]
    return max(made, default=None)


def read_listed_all(answer: Any) -> list[SellerAd]:
    """A list of `Item`; an entry that names no ad is left out."""
    ads = []
    for entry in entries_of(answer, "seller-items"):
        try:
            ads.append(read_listed(entry))
        except WrongShapeError as error:
            _log.warning("entry of seller-items cannot be read", reason=str(error))
    return ads


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """Ads changed since a row version, the largest version told (0: none), and whether an entry names no ad."""

    ads: frozenset[int]
    version: int
    incomplete: bool


def read_updated(answer: Any) -> Updates:
    """`UpdatedItemInfo[]`; what one entry lacks costs no other."""
    told = list_of(answer, "updated-seller-items")
    entries = [entry if isinstance(entry, dict) else {} for entry in told]
    numbers = [tolerant_whole(entry.get("id")) or 0 for entry in entries]
    versions = [whole(entry.get("rowVersion"), _LARGEST_VERSION) or 0 for entry in entries]
    incomplete = any(number <= 0 for number in numbers)
    if incomplete:
        _log.warning("entry of updated-seller-items cannot be read")
    return Updates(
        ads=frozenset(number for number in numbers if number > 0),
        version=max(versions, default=0),
        incomplete=incomplete,
    )


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
