"""How Tradera's JSON is read: what an answer says, and its fields as texts, numbers, amounts and times.

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
from datetime import UTC, datetime, tzinfo
from typing import Any

import structlog

from rheod.domain.answers import Answer
from rheod.domain.calendar import SWEDEN
from rheod.domain.errors import Text

_log = structlog.get_logger(__name__)

_OLDEST_MS = 946_684_800_000  # 2000: whatever is older is a default value such as 0001-01-01, not a time
_MAX_TEXT = 2000
_LARGEST = 2**53
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
    errors = answer.get("validationErrors")
    for part in (answer, *(errors if isinstance(errors, list) else [])):  # its errors name things too
        named = part if isinstance(part, dict) else {}
        if any(asked and whole(named.get(name)) not in {None, asked} for name, asked in numbers.items()):
            return Answer.OTHERS_NUMBERS
    if refusal(answer) is not None:
        return Answer.UNSUCCESSFUL
    if "isSuccessful" in answer:
        return Answer.SUCCESSFUL if answer["isSuccessful"] is True else Answer.UNDECIDED
    given = [(whole(answer.get(name)) or 0) > 0 for name in numbers]
    return Answer.NUMBERS if given and all(given) else Answer.ELSE


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
