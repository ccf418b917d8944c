"""What no log line may show is masked here: known secrets, credentials of known shapes, the private parts of addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from structlog.typing import EventDict, WrappedLogger

MIN_LITERAL_CHARS = 6
"""Shorter values are not redacted by their text: they would tear holes into innocent lines."""

_SHORT_CHARS = 64
"""Texts up to this length come again and again (routes, methods, names of queues): their answer is remembered."""

_MASK = "***"
# These bound the work of the patterns. A longer text is joined from its ends before redaction; the seam, where half a
# secret could stand, never reaches a line, since a text over MAX_LINE_BYTES is cut to far shorter ends.
_MAX_TEXT_CHARS = 16_000
_MAX_ITEMS = 100
_MAX_DEPTH = 8

_HEADERS = ("authorization", "x-api-key", "x-app-key", "x-user-token", "cookie")
# Each pattern with the lower-case words one of which a text must hold for it to be worth trying: most lines hold none.
_PATTERNS = tuple(
    (hints, re.compile(pattern, re.IGNORECASE), replacement)
    for hints, pattern, replacement in (
        # userinfo, query and fragment of any address; its path stays, it is what one looks for in a log
        (("://",), r"\b([a-z][a-z0-9+.-]{0,15}://)[^\s/?#\"'<>]*@", rf"\1{_MASK}@"),
        (("://",), r"\b([a-z][a-z0-9+.-]{0,15}://[^\s?#\"'<>]*[?#])[^\s\"'<>]+", rf"\1{_MASK}"),
        # a header with its value, as text, as a pair or in a mapping's repr
        (
            _HEADERS,
            rf"({'|'.join(_HEADERS)})(['\"]?\s*[:=]\s*(?:b?['\"])?|['\"]\s*,\s*b?['\"])[^'\"\r\n]+",
            rf"\1\2{_MASK}",
        ),
        (("bearer", "basic"), r"\b(bearer|basic)\s+[\w.~+/=-]{12,}", rf"\1 {_MASK}"),
        (("x-amz-",), r"\b(x-amz-[a-z-]+)(['\"]?\s*[:=]\s*['\"]?)[^&\s'\"]+", rf"\1\2{_MASK}"),
        (("rheo_live_",), r"(rheo_live_)[a-z0-9]+", rf"\1{_MASK}"),
        (("whsec_",), r"(whsec_)[^\s'\",;&)}\]]+", rf"\1{_MASK}"),
        (("akia", "asia"), r"\b(AKIA|ASIA)[A-Z0-9]{12,}", rf"\1{_MASK}"),
        # pydantic's errors repeat what was sent
        (("input_value=",), r"(input_value=).*?(?=, input_type=)", rf"\1{_MASK}"),
    )
)
_ANY_HINT = re.compile("|".join(re.escape(hint) for hints, _, _ in _PATTERNS for hint in hints))
_SECRET_KEY = re.compile(r"(?:.*_)?(?:authorization|cookie|password|secret|token|(?:access|api|app)_key)")


class _Literals:
    """The secret values this process knows, as one pattern; longest first, so that none is left in part."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Values already known stay; the pattern is swapped in one step, so no lock is needed to read it."""
        self._values |= {value for value in values if len(value) >= MIN_LITERAL_CHARS}
        if self._values:
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        """The text without them."""
        return self._pattern.sub(_MASK, text) if self._pattern else text


_literals = _Literals()


def redact_values(values: Iterable[str]) -> None:
    """From now on these secret values appear in no line, whatever writes them."""
    _literals.add(values)
    _redact_short.cache_clear()


def redact(text: str) -> str:
    """The text without known secrets, credentials of known shapes, and the user part and query of addresses."""
    return _redact_short(text) if len(text) <= _SHORT_CHARS else _redact(text)


@lru_cache(maxsize=1_000)
def _redact_short(text: str) -> str:
    return _redact(text)


def _redact(text: str) -> str:
    if len(text) > _MAX_TEXT_CHARS:
        text = f"{text[: _MAX_TEXT_CHARS // 2]}…{text[-_MAX_TEXT_CHARS // 2 :]}"
    text = _literals.mask(text)
    lowered = text.lower()
    if _ANY_HINT.search(lowered) is None:
        return text
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def redact_any(value: Any, depth: int = 0) -> Any:
    """The same for any value; what JSON does not know becomes text first, so that nothing is rendered unseen."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        pairs = islice(value.items(), _MAX_ITEMS)
        return {redact(str(key)): _redact_pair(key, item, depth) for key, item in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [redact_any(item, depth + 1) for item in islice(value, _MAX_ITEMS)]
    return redact(str(value))


def _redact_pair(key: object, value: Any, depth: int) -> Any:
    return _MASK if value is not None and _is_secret_name(str(key)) else redact_any(value, depth + 1)


@lru_cache(maxsize=1_000)
def _is_secret_name(key: str) -> bool:
    return _SECRET_KEY.fullmatch(key.lower().replace("-", "_")) is not None


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: the fields of a line, whose names are ours, with every value redacted."""
    redacted: dict[str, Any] = {}
    for key, value in event.items():
        if key == "timestamp" or value is None:
            redacted[key] = value
        elif _is_secret_name(key):
            redacted[key] = _MASK
        elif type(value) is str and len(value) <= _SHORT_CHARS:
            redacted[key] = _redact_short(value)
        elif type(value) is int or type(value) is float:
            redacted[key] = value
        else:
            redacted[key] = redact_any(value, 1)
    return redacted
