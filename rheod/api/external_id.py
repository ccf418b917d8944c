"""The partner's own id of an item, as it stands in a path.

Read from the raw request line, so that `%2F` stays a character of the id and nothing has been normalised before it
is checked. Does not know what items exist.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from rheod.domain.errors import FieldError

MAX_CHARACTERS = 255
FIELD = "externalId"

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# What turns the order of shown characters: an id that reads like another one must not get in.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def read_external_id(raw_path: str, *, segment: int) -> tuple[str, list[FieldError]]:
    """The id in the given segment (from 0) of a request's raw path, and what is wrong with it (422)."""
    path = re.split("[?#]", _ABSOLUTE.sub("", raw_path, count=1), maxsplit=1)[0]
    text = _decoded(path.split("/")[segment + 1])
    if text is None:
        return "", [FieldError(FIELD, "Must be percent-encoded UTF-8")]
    sentence = fault(text)
    return text, [FieldError(FIELD, sentence)] if sentence else []


def fault(external_id: str) -> str | None:
    """What an id must be, when this one is not; None when it is fine."""
    if not external_id:
        return "Must not be empty"
    if len(external_id) > MAX_CHARACTERS:
        return f"Must be at most {MAX_CHARACTERS} characters"
    if external_id.isascii() and external_id.isprintable():
        return None
    if any(map(_is_refused, external_id)):
        return "Must not contain control characters or broken Unicode"
    return None


def _decoded(segment: str) -> str | None:
    if _BAD_ESCAPE.search(segment):
        return None
    try:
        return unquote_to_bytes(segment.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        return None


def _is_refused(character: str) -> bool:
    return (
        character in _BIDI
        or unicodedata.category(character) in _REFUSED_CATEGORIES
        or ord(character) & 0xFFFE == 0xFFFE  # non-characters of every plane
    )
