"""The field types of the wire: strict, checked on the value as sent, turned into our units at the door.

Only types live here; which body has which fields is said in `wire.py` and `wire_domains.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from rheod.api.field_errors import OWN

PRICE_LIMIT_KR = 10_000_000
WEIGHT_LIMIT_KG = 1_000_000
_SEMVER = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})([-+][0-9A-Za-z.+-]{1,64})?", re.ASCII
)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class Wire(BaseModel):
    """What every body shares: strict, camelCase, unknown fields ignored, null read as absent."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        """Many clients write null for what they do not set; a required field that is null is missing."""
        if not isinstance(body, dict):
            return body
        return {key: value for key, value in body.items() if value is not None}


def wrong(rule: str, sentence: str) -> PydanticCustomError:
    """A rule of our own, broken; the sentence reaches the caller and so must not hold the value."""
    return PydanticCustomError(f"{OWN}{rule}", "{sentence}", {"sentence": sentence})


def number(value: Any) -> int | float:
    """A JSON number, neither text nor boolean nor infinite."""
    if type(value) not in {int, float}:
        raise wrong("number", "Must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong("finite", "Must be a finite number")
    return value  # type: ignore[no-any-return]


def to_ore(*, least_kr: int, exact: bool) -> Callable[[Any], int]:
    """Reads an amount in SEK into öre; `exact` refuses a third decimal, else it is rounded half up."""

    def read(value: Any) -> int:
        amount = number(value)
        if amount < least_kr:
            raise wrong("least", f"Must be at least {least_kr}")
        if amount > PRICE_LIMIT_KR:
            raise wrong("most", f"Must be at most {PRICE_LIMIT_KR}")
        ore = Decimal(repr(amount)) * 100
        if exact and ore != int(ore):
            raise wrong("decimals", "Must have at most 2 decimals")
        return int(ore + Decimal("0.5"))

    return read


def _positive(value: Any) -> float:
    if number(value) <= 0:
        raise wrong("positive", "Must be more than 0")
    if value > WEIGHT_LIMIT_KG:  # also keeps huge integers out of floating point
        raise wrong("most", f"Must be at most {WEIGHT_LIMIT_KG}")
    return float(value)


def _title(value: str) -> str:
    if len(value.strip()) < 2:
        raise wrong("title", "Must be at least 2 characters")
    return value


def _semver(value: str) -> str:
    if not _SEMVER.fullmatch(value):
        raise wrong("semver", "Must be a version such as 1.0.0")
    return value


def to_ms(value: str) -> int:
    """An RFC 3339 time with its zone as ms UTC; ValueError when it is none."""
    if not _MOMENT.fullmatch(value):
        raise ValueError("not an RFC 3339 time")
    return round(datetime.fromisoformat(value.upper()).timestamp() * 1000)


def _moment(value: Any) -> int:
    if not isinstance(value, str):
        raise wrong("text", "Must be a string")
    try:
        return to_ms(value)
    except (ValueError, OverflowError):
        raise wrong("moment", "Must be an RFC 3339 time such as 2026-05-26T10:00:00Z") from None


def _numeric(value: Any) -> int | float:
    return number(value)


_AMOUNT = {"type": "number", "maximum": PRICE_LIMIT_KR}
Price = Annotated[
    int,
    PlainValidator(to_ore(least_kr=1, exact=True)),
    WithJsonSchema({**_AMOUNT, "minimum": 1}),  # no multipleOf: in floating point 19.99 is none of 0.01
]
Cost = Annotated[
    int, PlainValidator(to_ore(least_kr=0, exact=False)), WithJsonSchema({**_AMOUNT, "minimum": 0})
]
Weight = Annotated[
    float,
    PlainValidator(_positive),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": WEIGHT_LIMIT_KG}),
]
Number = Annotated[float, BeforeValidator(_numeric)]
Title = Annotated[str, StringConstraints(min_length=2, max_length=255), AfterValidator(_title)]
Text255 = Annotated[str, StringConstraints(max_length=255)]
Name255 = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Shown = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""A short text for people, such as a carrier's name; blanks around it do not count."""
Version = Annotated[
    str,
    AfterValidator(_semver),
    WithJsonSchema({"type": "string", "pattern": f"^{_SEMVER.pattern}$", "examples": ["1.0.0"]}),
]
Moment = Annotated[int, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
