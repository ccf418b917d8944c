"""`tradera.attributes` of an item's body: what the attributes of its category are, by name or number."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from rheod.api.field_types import wrong
from rheod.domain.errors import Text

MAX_ATTRIBUTES, MAX_ATTRIBUTE_VALUES, MAX_ATTRIBUTE_CHARS = 50, 20, 255
_ATTRIBUTE: dict[str, Any] = {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": 255}, {"type": "number"}]
}


def _attribute(value: Any) -> Any:
    """A text, a number, or a list of them: one sentence says so, whichever of the three was meant."""
    several = value if isinstance(value, list) else [value]
    sane = all(
        0 < len(each) <= MAX_ATTRIBUTE_CHARS
        if isinstance(each, str)
        else isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < 1e15
        for each in several
    )
    if not sane or len(several) > MAX_ATTRIBUTE_VALUES:
        raise wrong(
            "attribute", Text("Must be a text of at most 255 characters, a number, or a list of these")
        )
    return value


Attributes = Annotated[
    dict[
        str,
        Annotated[
            Any,
            AfterValidator(_attribute),
            WithJsonSchema(
                {
                    "anyOf": [
                        *_ATTRIBUTE["anyOf"],
                        {"type": "array", "items": _ATTRIBUTE, "maxItems": MAX_ATTRIBUTE_VALUES},
                    ]
                }
            ),
        ],
    ],
    Field(max_length=MAX_ATTRIBUTES),
]
