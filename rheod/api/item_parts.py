"""The parts of an item's body that have rules of their own: the attributes of its category, its returns, its domain.

Of a domain the models only check. What is stored is the object as it came, so that nothing a partner sent is lost; its
texts are read as they were meant, as titles are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, WithJsonSchema

from rheod.api.field_types import Int, Moment, Number, Price, Wire, from_pydantic, number, wrong
from rheod.domain.categories import DOMAINS, canonical, tags_of
from rheod.domain.errors import FieldError, Text
from rheod.domain.model import Json, RelistWish
from rheod.domain.owner_text import meant
from rheod.domain.relist import step_of

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


TAG_KEYS = ("domain", "type", "slug")
"""Where the tag of the union is looked for, in this order. The hosted API has it under `domain`; the other two
are read because the tag's name is the first thing a new client gets wrong."""


VehicleType = Annotated[str, Field(examples=["Bil", "MC", "Skoter", "ATV", "Husvagn", "Moped", "Traktor"])]
"""As every list of values here: any text is taken, and the known ones are shown in Swedish."""
Percentage = Annotated[Number, Field(ge=0, le=100)]


class Vehicle(Wire):
    """The donor vehicle of a part."""

    manufacturer: str | None = None
    model: str | None = None
    year: Int | None = None
    vehicle_type: VehicleType | None = None


class Part(Wire):
    """The part itself; `catalogCodes` maps a catalogue system to its code."""

    name: str | None = None
    oem_number: str | None = None
    catalog_codes: dict[str, str] | None = None


class AutoParts(Wire):
    """A spare part: the nested form, and beside it the older flat one."""

    vehicle: Vehicle | None = None
    part: Part | None = None
    condition_grade: str | None = None
    condition_note: str | None = None
    oem_code: str | None = None
    part_name: str | None = None
    manufacturer: str | None = None
    compatible_models: list[str] | None = None
    donor_vehicle_year: Int | None = None
    vehicle_type: VehicleType | None = None


class Vehicles(Wire):
    """A whole vehicle."""

    registration_plate: str | None = None
    make: str | None = None
    model: str | None = None
    year: Int | None = None
    mileage_km: Number | None = None
    fuel_type: Annotated[str, Field(examples=["petrol", "diesel", "electric", "hybrid"])] | None = None
    color: str | None = None


class Electronics(Wire):
    """Electronics and computers."""

    serial_number: str | None = None
    memory_gb: Number | None = None
    battery_health_percentage: Percentage | None = None
    brand: str | None = None
    model: str | None = None
    storage_gb: Number | None = None
    condition: str | None = None


class Fashion(Wire):
    """Clothes and shoes."""

    size: str | None = None
    material: str | None = None
    gender: Annotated[str, Field(examples=["mens", "womens", "unisex", "kids"])] | None = None
    brand: str | None = None
    color: str | None = None
    condition: str | None = None


class BookAttributes(Wire):
    """Books and media."""

    isbn: str | None = None
    author: str | None = None
    publisher: str | None = None
    language: str | None = None


class Watches(Wire):
    """Watches."""

    brand: str | None = None
    model_reference: str | None = None
    movement_type: Annotated[str, Field(examples=["automatic", "quartz", "manual"])] | None = None
    case_size_mm: Number | None = None


RICH: Mapping[str, type[Wire]] = {
    "auto_parts": AutoParts,
    "vehicles": Vehicles,
    "electronics": Electronics,
    "computers": Electronics,
    "fashion": Fashion,
    "books": BookAttributes,
    "watches": Watches,
}


def read_domain(raw: Any, found: list[FieldError]) -> tuple[str | None, Json | None]:
    """The slug and the attributes to keep of a body's `domain`; what is wrong is added to `found`.

    (None, None) when the body has no domain. Unit domains keep no attributes.
    """
    if raw is None:
        return None, None
    if not isinstance(raw, dict):
        found.append(FieldError("domain", Text("Must be an object")))
        return None, None
    key = next((name for name in TAG_KEYS if raw.get(name) is not None), None)
    if key is None and raw:
        found.append(FieldError("domain.domain", Text("Required")))
        return None, None
    tag = "" if key is None else raw[key]
    slug = canonical(tag) if isinstance(tag, str) else None
    if slug is None:
        found.append(
            FieldError(f"domain.{key}", Text("Must be one of {domains}", domains=", ".join(DOMAINS)))
        )
        return None, None
    given = {name: value for name, value in raw.items() if name != key}
    if slug not in RICH:
        return slug, {}
    try:
        RICH[slug].model_validate(given)
    except ValidationError as error:
        found.extend(from_pydantic(error, under=("domain",)))
    return slug, {name: _as_meant(value) for name, value in given.items()}


def _as_meant(value: Any) -> Any:
    """Every text in it as it was meant, as a title's; names of fields stay as they came."""
    if isinstance(value, str):
        return meant(value)
    if isinstance(value, dict):
        return {name: _as_meant(each) for name, each in value.items()}
    return [_as_meant(each) for each in value] if isinstance(value, list) else value


Schema = dict[str, Any]
REF = "#/components/schemas/"
_CAMEL = {slug: "".join(part.capitalize() for part in slug.split("_")) + "Domain" for slug in RICH}


def domain_union() -> Schema:
    """Which attributes `domain` may have, by its tag."""
    return {
        "description": (
            "What kind of goods it is, with the attributes of that kind. The tag `domain` is read forgivingly: in any "
            "case, with `-` or a space for `_`, by an alias, and also under the name `type` or `slug`. "
            "Without attributes and tag it is `other`. All attributes are optional, others are kept as they are."
        ),
        "anyOf": [
            *({"$ref": REF + name} for name in (*_CAMEL.values(), "UnitDomain")),
            {"type": "object", "maxProperties": 0},
        ],
    }


def _tag(slugs: list[str]) -> Schema:
    tags = [tag for slug in slugs for tag in tags_of(slug)]
    return {"type": "string", "enum": tags, "description": "The tag, or one of its aliases."}


DOMAIN_SCHEMAS: Mapping[str, Schema] = {
    **{
        name: {
            "description": DOMAINS[slug].description_en + ".",
            "allOf": [{"$ref": REF + RICH[slug].__name__}],
            "type": "object",
            "properties": {"domain": _tag([slug])},
            "required": ["domain"],
        }
        for slug, name in _CAMEL.items()
    },
    "UnitDomain": {
        "description": "The kinds of goods that have no attributes of their own; what else is sent is ignored.",
        "type": "object",
        "properties": {"domain": _tag([slug for slug in DOMAINS if slug not in RICH])},
        "required": ["domain"],
    },
}
"""The members of the union by their names."""
