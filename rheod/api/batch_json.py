"""Reads the list in a large JSON body one element at a time, so that neither time nor memory goes to the whole at once.

As strict as `strict_json.py`, of which it is the other way in; knows nothing of items.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rheod.api.field_errors import raise_if_any
from rheod.api.strict_json import DUPLICATE, NOT_JSON, parse_at
from rheod.domain.errors import FieldError, Refused

_SPACE = re.compile(r"[ \t\n\r]*")


def elements(text: str, name: str) -> Iterator[tuple[Any, int]]:
    """Each element of the list that the object in `text` has under `name`, with its length in characters.

    None at all when there is no such list. Refused (BAD_REQUEST) when the text is not JSON, found out only as far as
    it has been read, (VALIDATION_FAILED) when it is not an object.
    """
    walk = _Walk(text)
    if not walk.take("{"):
        walk.value()
        walk.end()
        raise_if_any([FieldError("body", "Must be an object")])
    names: set[str] = set()
    more = not walk.take("}")
    while more:
        found = walk.name()
        if found in names:
            raise Refused("BAD_REQUEST", DUPLICATE)
        names.add(found)
        if found == name and walk.take("["):
            yield from walk.list()
        else:
            walk.value()
        more = walk.more("}")
    walk.end()


class _Walk:
    """A place in a JSON text that moves on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def take(self, mark: str) -> bool:
        """Step over the mark if it comes next."""
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def more(self, close: str) -> bool:
        """After a member: True when a comma says that another one follows, False at the closing mark."""
        if self.take(close):
            return False
        self._need(",")
        return True

    def name(self) -> str:
        """A member's name and its colon."""
        name = self.value()
        if not isinstance(name, str):
            raise Refused("BAD_REQUEST", NOT_JSON)
        self._need(":")
        return name

    def value(self) -> Any:
        """Any value."""
        self._skip()
        value, self._at = parse_at(self._text, self._at)
        return value

    def list(self) -> Iterator[tuple[Any, int]]:
        """The elements after an opening bracket, each with its length."""
        more = not self.take("]")
        while more:
            self._skip()
            began = self._at
            yield self.value(), self._at - began
            more = self.more("]")

    def end(self) -> None:
        """Nothing but space may follow."""
        self._skip()
        if self._at < len(self._text):
            raise Refused("BAD_REQUEST", NOT_JSON)

    def _need(self, mark: str) -> None:
        if not self.take(mark):
            raise Refused("BAD_REQUEST", NOT_JSON)

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at
