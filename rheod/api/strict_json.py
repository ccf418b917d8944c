"""Reads a JSON body the strict way: what two parsers could read differently, or no parser should, is refused.

Knows nothing of fields' meanings; `wire.py` does. It never repeats what was sent, neither keys nor values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rheod.domain.errors import FieldError, Refused

MAX_NESTING = 32
"""Levels of arrays and objects, the outermost one counted (rheo-api.md section 1)."""

MAX_DETAILS = 200
"""Wrong fields listed in one answer: enough for any honest body, and a hostile one cannot make the answer large."""

NAMED_KEY_CHARS = 64
"""How much of a caller's own key may appear in the path of a wrong field."""

# C0 controls save tab, LF and CR; lone surrogates; U+FFFE and U+FFFF: legal in JSON, poison for what is behind us.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

TEXT_MESSAGE = "Must not contain control characters or broken Unicode"
NOT_JSON = "The body is not valid JSON"
DUPLICATE = "The body names the same key twice in one object"
KEY_MESSAGE = "Keys must not contain control characters or broken Unicode"


def parse(body: bytes) -> Any:
    """The value of a JSON body; Refused(BAD_REQUEST) unless it is UTF-8 JSON that can be read in one way only."""
    text = decoded(body)
    with _refusing():
        return _DECODER.decode(text)


def decoded(body: bytes) -> str:
    """The text of a body; Refused(BAD_REQUEST) unless it is UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("BAD_REQUEST", "The body is not UTF-8") from error


def parse_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of the text, and the place after it; refuses what `parse` does."""
    with _refusing():
        return _DECODER.raw_decode(text, at)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        raise Refused("BAD_REQUEST", f"The body is nested deeper than {MAX_NESTING} levels") from error
    except ValueError as error:  # also an integer of thousands of digits
        raise Refused("BAD_REQUEST", NOT_JSON) from error


def text_errors(value: Any) -> list[FieldError]:
    """Every string (keys too) and number in `value` that no field may hold, with its path.

    Refused(BAD_REQUEST) when the value is nested too deep. Goes through ignored fields as well: the rule is
    about the body, not about what is read from it.
    """
    if _is_harmless(value):
        return []
    found: list[FieldError] = []
    waiting: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    while waiting and len(found) < MAX_DETAILS:
        current, path = waiting.pop()
        if isinstance(current, str):
            if _FORBIDDEN.search(current):
                found.append(FieldError(dotted(path), TEXT_MESSAGE))
        elif isinstance(current, float):
            if not math.isfinite(current):  # 1e400 is valid JSON but no number that can be given back
                found.append(FieldError(dotted(path), "Must be a finite number"))
        elif isinstance(current, (dict, list)):
            waiting.extend(reversed(_children(current, path, found)))
    return found


def _is_harmless(value: Any) -> bool:
    """Whether nothing in the value needs a closer look: the common case, told by one search through all its texts."""
    texts: list[str] = []
    level: list[Any] = [value]
    for depth in range(MAX_NESTING + 1):
        deeper: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is str:
                texts.append(each)
            elif depth == MAX_NESTING and kind in {dict, list}:
                return False
            elif kind is dict:
                texts.extend(each)
                deeper.extend(each.values())
            elif kind is list:
                deeper.extend(each)
            elif kind is float and not math.isfinite(each):
                return False
        if not deeper:
            return is_clean("".join(texts))
        level = deeper
    return False


def dotted(path: tuple[str | int, ...]) -> str:
    """The path of a field as answers name it: `imageUrls.0`; `body` for the body itself."""
    return ".".join(str(part)[:NAMED_KEY_CHARS] for part in path) or "body"


def is_clean(text: str) -> bool:
    """True when the text holds none of the characters that are refused everywhere."""
    return _FORBIDDEN.search(text) is None


def _children(
    current: dict[str, Any] | list[Any], path: tuple[str, ...], found: list[FieldError]
) -> list[tuple[Any, tuple[str, ...]]]:
    if len(path) >= MAX_NESTING:
        raise Refused("BAD_REQUEST", f"The body is nested deeper than {MAX_NESTING} levels")
    if isinstance(current, list):
        return [(child, (*path, str(place))) for place, child in enumerate(current) if _needs_a_look(child)]
    if not all(map(is_clean, current)):
        found.append(FieldError(dotted(path), KEY_MESSAGE))
    return [(child, (*path, key)) for key, child in current.items() if _needs_a_look(child) and is_clean(key)]


def _needs_a_look(value: Any) -> bool:
    """Whether anything can be wrong in a value: of a hundred thousand harmless ones no path is made."""
    kind = type(value)
    if kind is str:
        return not is_clean(value)
    if kind is float:
        return not math.isfinite(value)
    return kind is dict or kind is list


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("BAD_REQUEST", DUPLICATE)
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise Refused("BAD_REQUEST", "The body is not valid JSON: NaN and Infinity are not numbers")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
