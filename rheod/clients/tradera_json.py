"""Single values out of Tradera's JSON: tolerant of nulls, missing fields and odd spellings (tradera-v4.md 2 and 9).

A value we cannot do without raises WrongShapeError, which names the field and never its value. Nothing here knows
what an item or an order is; that is tradera_words.py.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime
from typing import Any

_OLDEST_MS = 946_684_800_000  # 2000: whatever is older is a default value such as 0001-01-01, not a time
_MAX_TEXT = 2000
_LARGEST = 2**53
_LARGEST_VERSION = 2**63 - 1


class WrongShapeError(ValueError):
    """An answer lacks what we need from it; the text names the field, never its value."""


def refusal(answer: Any) -> str | None:
    """The sentence of a refusal that came inside a 200, or None: `false`, `isSuccessful`, `validationErrors`."""
    if answer is False:
        return "no reason given"
    if not isinstance(answer, dict):
        return None
    errors = answer.get("validationErrors") or answer.get("errors") or answer.get("validationError")
    if answer.get("isSuccessful") is True or (answer.get("isSuccessful") is None and not errors):
        return None
    return "; ".join(filter(None, map(_error_text, errors if isinstance(errors, list) else [errors]))) or (
        text(answer.get("message")) or "no reason given"
    )


def own_words(answer: Any) -> str:
    """The message of an error body in any of the shapes seen (section 2); "" when there is none."""
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
