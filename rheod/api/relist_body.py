"""What an item's body, or a PATCH of its own, says of its returns."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from rheod.api.field_types import Int, Moment, Price, Wire, number, wrong
from rheod.domain.errors import Text
from rheod.domain.ladder import RelistWish
from rheod.domain.relist import step_of


def _step(value: Any) -> float | str:
    try:
        return step_of(value if isinstance(value, str) else number(value))
    except ValueError as error:
        sentence = Text('Must be a share above 0 and at most 1, such as 0.9, or a cut such as "-10%"')
        raise wrong("step", sentence) from error


RelistStep = Annotated[
    float | str,
    PlainValidator(_step),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", "pattern": "^-[1-9][0-9]?%$", "examples": ["-10%"]},
            ]
        }
    ),
]


class RelistBody(Wire):
    """How an unsold item comes back: absent members are the owner's rule."""

    enabled: Annotated[
        bool | None, Field(description="Whether it comes back by itself when it ends unsold.")
    ] = None
    times: Annotated[Annotated[Int, Field(ge=0, le=50)] | None, Field(description="How often at most.")] = (
        None
    )
    steps: Annotated[
        Annotated[list[RelistStep], Field(min_length=1, max_length=50)] | None,
        Field(
            description="Prices of the first, second … return: a share of the first price, or a cut such as `-10%` of the one before; the last repeats."
        ),
    ] = None
    floor_price: Annotated[
        Price | None, Field(description="SEK below which it never goes; the owner's floor counts too.")
    ] = None
    wait_h: Annotated[
        Annotated[float, Field(ge=0, le=1440)] | None,
        Field(description="Hours between the end and the return."),
    ] = None
    until: Annotated[Moment | None, Field(description="It does not come back after this.")] = None


def relist_wish(body: RelistBody, *, floor_ore: int | None = None) -> RelistWish:
    """What an item says of its returns; its floor, where it says that elsewhere (`floor_ore`), is rounded up to whole kronor."""
    floor = floor_ore if body.floor_price is None else body.floor_price
    return RelistWish(
        enabled=body.enabled,
        times=body.times,
        steps=None if body.steps is None else tuple(body.steps),
        floor_kr=None if floor is None else -(-floor // 100),
        wait_h=body.wait_h,
        until=body.until,
    )
