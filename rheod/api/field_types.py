"""The field types of the wire: strict, checked on the value as sent, turned into our units as they are read.

Also the base of all bodies, the sentences for wrong fields, which never repeat an offending value, the cursors of lists,
and the partner's own id of an item as it stands in a path.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from rheod.api.json_body import MAX_DETAILS, dotted, text_errors
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.owner_text import meant

OWN = "rheod_"
"""Rules of our own carry this before their name, and their sentence with them."""

Context = Mapping[str, Any]


def _fixed(sentence: Text) -> Callable[[Context], Text]:
    return lambda _context: sentence


def _least_characters(context: Context) -> Text:
    least = context["min_length"]
    return Text("Must not be empty") if least == 1 else Text("Must be at least {n} characters", n=least)


_SENTENCES: Mapping[str, Callable[[Context], Text]] = {
    "missing": _fixed(Text("Required")),
    "string_type": _fixed(Text("Must be a string")),
    "string_unicode": _fixed(Text("Must be a string of valid Unicode")),
    "string_too_short": _least_characters,
    "string_too_long": lambda context: Text("Must be at most {n} characters", n=context["max_length"]),
    "int_type": _fixed(Text("Must be a whole number")),
    "int_from_float": _fixed(Text("Must be a whole number")),
    "float_type": _fixed(Text("Must be a number")),
    "bool_type": _fixed(Text("Must be true or false")),
    "list_type": _fixed(Text("Must be a list")),
    "dict_type": _fixed(Text("Must be an object")),
    "model_type": _fixed(Text("Must be an object")),
    "model_attributes_type": _fixed(Text("Must be an object")),
    "too_long": lambda context: Text("Must have at most {n} entries", n=context["max_length"]),
    "literal_error": lambda context: Text("Must be {expected}", expected=context["expected"]),
    "greater_than": lambda context: Text("Must be more than {least}", least=f"{context['gt']:.15g}"),
    "greater_than_equal": lambda context: Text("Must be at least {least}", least=f"{context['ge']:.15g}"),
    "less_than_equal": lambda context: Text("Must be at most {most}", most=f"{context['le']:.15g}"),
}


def from_pydantic(error: ValidationError, *, under: tuple[str, ...] = ()) -> list[FieldError]:
    """Every wrong field of a model, its path as the wire spells it, below `under`."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        kind, context = one["type"], one.get("ctx", {})
        if kind.startswith(OWN):
            sentence: Text = context["sentence"]
        else:
            write = _SENTENCES.get(kind)
            sentence = write(context) if write else Text("Is not valid")
        found.append(FieldError(dotted((*under, *one["loc"])), sentence))
    return found


def raise_if_any(found: Iterable[FieldError]) -> None:
    """Refused(VALIDATION_FAILED) with one sentence for each wrong field; nothing when no field is wrong."""
    first_of_each: dict[str, FieldError] = {}
    for one in found:
        first_of_each.setdefault(one.field, one)
    if first_of_each:
        raise Refused(
            "VALIDATION_FAILED", Text("Validation failed"), tuple(first_of_each.values())[:MAX_DETAILS]
        )


PRICE_LIMIT_KR = 10_000_000
WEIGHT_LIMIT_KG = 1_000_000
_VERSION = re.compile(r"(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){0,2}([-+][0-9A-Za-z.+-]{1,64})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class Wire(BaseModel):
    """What every body shares: strict, camelCase, unknown fields ignored, null read as absent."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, body: Any) -> Any:
        """Many clients write null for what they do not set; a required field that is null is missing."""
        if not isinstance(body, dict) or None not in body.values():
            return body
        return {key: value for key, value in body.items() if value is not None}


def wrong(rule: str, sentence: Text) -> PydanticCustomError:
    """A rule of our own, broken; the sentence reaches the caller and so must not hold the value."""
    return PydanticCustomError(f"{OWN}{rule}", "{sentence}", {"sentence": sentence})


def number(value: Any) -> int | float:
    """A JSON number, neither text nor boolean nor infinite."""
    if type(value) not in {int, float}:
        raise wrong("number", Text("Must be a number"))
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong("finite", Text("Must be a finite number"))
    return value  # type: ignore[no-any-return]


def to_ore(*, least_kr: int) -> Callable[[Any], int]:
    """Reads an amount in SEK into öre, rounded half up: what an ERP multiplies has three decimals and more."""

    def read(value: Any) -> int:
        if type(value) is int and least_kr <= value <= PRICE_LIMIT_KR:
            return value * 100
        amount = number(value)
        if amount < least_kr:
            raise wrong("least", Text("Must be at least {least}", least=least_kr))
        if amount > PRICE_LIMIT_KR:
            raise wrong("most", Text("Must be at most {most}", most=PRICE_LIMIT_KR))
        return int(Decimal(repr(amount)) * 100 + Decimal("0.5"))

    return read


def _weight(value: Any) -> float | None:
    if number(value) < 0:
        raise wrong("least", Text("Must be at least {least}", least=0))
    if value > WEIGHT_LIMIT_KG:  # also keeps huge integers out of floating point
        raise wrong("most", Text("Must be at most {most}", most=WEIGHT_LIMIT_KG))
    return float(value) or None


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text_as_meant(value: Any) -> Any:
    return meant(value) if isinstance(value, str) else value


def _currency(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _title(value: str) -> str:
    if len(value.strip()) < 2:
        raise wrong("title", Text("Must be at least 2 characters"))
    return value


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise wrong("version", Text("Must be a version such as 1.0.0"))
    return value


def to_ms(value: str) -> int:
    """An RFC 3339 time with its zone as ms UTC; ValueError when it is none."""
    if not _MOMENT.fullmatch(value):
        raise ValueError("not an RFC 3339 time")
    return round(datetime.fromisoformat(value.upper()).timestamp() * 1000)


def _moment(value: Any) -> int:
    if not isinstance(value, str):
        raise wrong("text", Text("Must be a string"))
    try:
        return to_ms(value)
    except (ValueError, OverflowError):
        raise wrong("moment", Text("Must be an RFC 3339 time such as 2026-05-26T10:00:00Z")) from None


_AMOUNT = {"type": "number", "maximum": PRICE_LIMIT_KR}
Price = Annotated[
    int,
    PlainValidator(to_ore(least_kr=1)),
    WithJsonSchema({**_AMOUNT, "minimum": 1}),  # no multipleOf: in floating point 19.99 is none of 0.01
]
Cost = Annotated[int, PlainValidator(to_ore(least_kr=0)), WithJsonSchema({**_AMOUNT, "minimum": 0})]
Weight = Annotated[
    float | None,
    PlainValidator(_weight),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": WEIGHT_LIMIT_KG}),
]
"""Kilograms; 0 is what an ERP writes that does not know, and is read as None."""
Number = Annotated[float, BeforeValidator(number)]
Int = Annotated[int, BeforeValidator(_whole)]
"""A whole number, written with a decimal point or without: JSON knows one kind of numbers."""
Meant = BeforeValidator(_text_as_meant)
"""Reads a text for people as it was meant, before its characters are counted."""
Title = Annotated[str, StringConstraints(min_length=2, max_length=255), AfterValidator(_title), Meant]
Currency = Annotated[
    Literal["SEK"],
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "pattern": "^[sS][eE][kK]$", "examples": ["SEK"]}),
]
Text255 = Annotated[str, StringConstraints(max_length=255)]
Name255 = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Shown = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""A short text for people, such as a carrier's name; blanks around it do not count."""
Version = Annotated[
    str,
    AfterValidator(_version),
    WithJsonSchema({"type": "string", "pattern": f"^{_VERSION.pattern}$", "examples": ["1.0.0"]}),
]
Moment = Annotated[int, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


Model = TypeVar("Model", bound=Wire)


def read_model(model: type[Model], body: Any, found: Sequence[FieldError] = ()) -> Model:
    """A body as its model says. Refused(VALIDATION_FAILED) lists every wrong field, those in `found` first."""
    errors = [*found, *text_errors(body)]
    value = validated(model, body, errors)
    raise_if_any(errors)
    assert value is not None  # else its errors were raised
    return value


def validated(model: type[Model], body: Any, errors: list[FieldError]) -> Model | None:
    """The body as its model says, or None, with what is wrong added to `errors`."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors.extend(from_pydantic(error))
        return None


MAX_CHARS = 512
BAD_CURSOR = Text("Bad cursor: use the `nextCursor` of an earlier answer of the same list")
_INT64 = 2**63 - 1


def write(*parts: int | str) -> str:
    """The position as text that needs no escaping in a URL."""
    plain = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def read(text: str, *types: type) -> tuple[Any, ...]:
    """The parts as `write` got them, of these types. Refused (BAD_REQUEST) when it is no cursor of this list."""
    try:
        parts = json.loads(
            base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError):
        parts = None
    fits = (
        len(text) <= MAX_CHARS
        and isinstance(parts, list)
        and [type(part) for part in parts] == list(types)
        and all(abs(part) <= _INT64 for part in parts if isinstance(part, int))
    )
    if not fits:
        raise Refused("BAD_REQUEST", BAD_CURSOR)
    return tuple(parts)


MAX_CHARACTERS = 255
FIELD = "externalId"

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# What turns the order of shown characters: an id that reads like another one must not get in.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def read_external_id(raw_path: str, *, segment: int) -> tuple[str, list[FieldError]]:
    """The id in the given segment (from 0) of a request's raw path, and what is wrong with it (422)."""
    path = raw_path if raw_path.startswith("/") else _ABSOLUTE.sub("", raw_path, count=1)
    if "?" in path or "#" in path:
        path = re.split("[?#]", path, maxsplit=1)[0]
    text = _decoded(path.split("/")[segment + 1])
    if text is None:
        return "", [FieldError(FIELD, Text("Must be percent-encoded UTF-8"))]
    sentence = fault(text)
    return text, [FieldError(FIELD, sentence)] if sentence else []


def fault(external_id: str) -> Text | None:
    """What an id must be, when this one is not; None when it is fine."""
    if not external_id:
        return Text("Must not be empty")
    if len(external_id) > MAX_CHARACTERS:
        return Text("Must be at most {n} characters", n=MAX_CHARACTERS)
    if external_id.isascii() and external_id.isprintable():
        return None
    if any(map(_is_refused, external_id)):
        return Text("Must not contain control characters or broken Unicode")
    return None


def _decoded(segment: str) -> str | None:
    if "%" not in segment and segment.isascii():
        return segment
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
