"""The attributes of the seven rich domains: every one optional, typed where it is known.

The models only check. What is stored is the object as it came, so that nothing a partner sent is lost; its texts are
read as they were meant, as titles are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from rheod.api.field_types import Int, Number, Wire, from_pydantic
from rheod.domain.errors import FieldError, Text
from rheod.domain.model import Json
from rheod.domain.plain_text import meant
from rheod.domain.taxonomy import DOMAINS, canonical

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
    return slug, _attributes(slug, {name: value for name, value in raw.items() if name != key}, found)


def _attributes(slug: str, given: dict[str, Any], found: list[FieldError]) -> Json:
    model = RICH.get(slug)
    if model is None:
        return {}
    try:
        model.model_validate(given)
    except ValidationError as error:
        found.extend(from_pydantic(error, under=("domain",)))
    return {name: _as_meant(value) for name, value in given.items()}


def _as_meant(value: Any) -> Any:
    """Every text in it as it was meant, as a title's; names of fields stay as they came."""
    if isinstance(value, str):
        return meant(value)
    if isinstance(value, dict):
        return {name: _as_meant(each) for name, each in value.items()}
    return [_as_meant(each) for each in value] if isinstance(value, list) else value
