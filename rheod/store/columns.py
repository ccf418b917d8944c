"""What columns hold as JSON: sentences, an item's spec less what has columns of its own, a listing's ladder and its end.

A Text is stored as its template and values, so that it can be shown in any language later: whatever writes one to the
database stores it so. What an earlier version stored, and what others wrote, are plain sentences; both are read back as
they stand.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields
from functools import partial

from pydantic_core import from_json, to_json

from rheod.domain.calendar import EndPlace
from rheod.domain.errors import Text
from rheod.domain.model import ItemSpec, ItemType, Ladder, RelistWish, TraderaWish

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


_COLUMNS_OF_SPEC = ("type", "title", "price_ore", "parent_external_id")
_REST_OF_SPEC = tuple(field.name for field in fields(ItemSpec) if field.name not in _COLUMNS_OF_SPEC)
_FIELDS = {each: tuple(field.name for field in fields(each)) for each in (TraderaWish, RelistWish, Ladder)}
_COMPACT = partial(
    json.JSONEncoder,
    ensure_ascii=False,
    separators=(",", ":"),
    default=lambda each: {name: getattr(each, name) for name in _FIELDS[type(each)]},
)
_encode, _encode_sorted = _COMPACT().encode, _COMPACT(sort_keys=True).encode


def spec_text(spec: ItemSpec, *, canonical: bool = False) -> str:
    """The spec as JSON, less the columns of their own, members in the order they were given in.

    `canonical` sorts them: equal canonical texts mean an unchanged item.
    """
    rest = {name: value for name in _REST_OF_SPEC if (value := getattr(spec, name)) is not None}
    return _encode_sorted(rest) if canonical else to_json(rest).decode()


def spec_of(row: sqlite3.Row) -> ItemSpec:
    """The spec of an item's row; what an earlier version stored lacks what has come since."""
    rest = from_json(row["spec"])
    if rest.get("tradera") is not None:
        wish = rest["tradera"]
        relist = wish.get("relist")
        if relist is not None:
            steps = relist["steps"] and tuple(relist["steps"])
            wish["relist"] = RelistWish(**{**relist, "steps": steps})
        rest["tradera"] = TraderaWish(**wish)
    rest["image_urls"] = tuple(rest.get("image_urls", ()))
    if "mended" in rest:
        rest["mended"] = tuple(rest["mended"])
    return ItemSpec(
        type=ItemType(row["type"]),
        title=row["title"],
        price_ore=row["price_ore"],
        parent_external_id=row["parent_external_id"],
        **rest,
    )


def ladder_text(ladder: Ladder) -> str:
    """A listing's ladder as its column has it."""
    return _encode(
        {name: getattr(ladder, name) for name in _FIELDS[Ladder]} | {"why": stored(Text.of(ladder.why))}
    )


def ladder_of(text: str) -> Ladder:
    """The ladder in a listing's column."""
    held = json.loads(text)
    return Ladder(**{**held, "why": restored(held["why"]) or ""})


def end_place_text(place: EndPlace) -> str:
    """A listing's place among the ends as its column has it."""
    return _encode(asdict(place))


def end_place_of(text: str | None) -> EndPlace | None:
    """The place in a listing's column."""
    return None if text is None else EndPlace(**json.loads(text))
