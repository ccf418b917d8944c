"""Sentences in columns: a Text is stored as its template and values, so that it can be shown in any language later.

Whatever writes a Text to the database stores it so. What an earlier version stored, and what others wrote, are plain
sentences; both are read back as they stand.
"""

from __future__ import annotations

import json
import sqlite3

from rheod.domain.errors import Text

_BEGINS = '{"template":'


def stored(text: Text) -> str:
    """The column's value."""
    return json.dumps(_as_json(text), ensure_ascii=False)


def restored(value: str | None) -> str | None:
    """What the column holds: a Text, or the plain sentence."""
    if value is None or not value.startswith(_BEGINS):
        return value
    try:
        return _from_json(json.loads(value))
    except (ValueError, LookupError, TypeError, AttributeError):
        return value


def _as_json(text: Text) -> dict[str, object]:
    values = {name: _as_json(each) if isinstance(each, Text) else each for name, each in text.values.items()}
    plural = {} if text.plural is None else {"plural": text.plural}
    return {"template": text.template, "values": values, **plural}


def _from_json(found: dict[str, object]) -> Text:
    template, values, plural = found["template"], found["values"], found.get("plural")
    if not (isinstance(template, str) and isinstance(values, dict) and isinstance(plural, str | None)):
        raise TypeError(template)
    read = {name: _from_json(each) if isinstance(each, dict) else each for name, each in values.items()}
    return Text.made(template, read, plural=plural)


sqlite3.register_adapter(Text, stored)
