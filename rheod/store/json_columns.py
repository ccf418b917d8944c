"""What columns hold as JSON: an item's spec, less what has columns of its own, a listing's ladder and its end."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields
from functools import partial

from rheod.domain.ends import EndPlace
from rheod.domain.errors import Text
from rheod.domain.ladder import Ladder, RelistWish
from rheod.domain.model import ItemSpec, ItemType, TraderaWish
from rheod.store.texts import restored, stored

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
    return (_encode_sorted if canonical else _encode)(rest)


def spec_of(row: sqlite3.Row) -> ItemSpec:
    """The spec of an item's row; what an earlier version stored lacks what has come since."""
    rest = json.loads(row["spec"])
    if rest.get("tradera") is not None:
        wish = rest["tradera"]
        relist = wish.get("relist")
        if relist is not None:
            steps = relist["steps"] and tuple(relist["steps"])
            wish["relist"] = RelistWish(**{**relist, "steps": steps})
        rest["tradera"] = TraderaWish(**wish)
    rest["image_urls"] = tuple(rest.get("image_urls", ()))
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
