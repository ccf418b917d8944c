"""The specification block of an ad: which attributes of a domain are printed, and how, in Swedish.

Pure and forgiving: attributes may hold any JSON, and what cannot be printed is left out (rheo-api.md section 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheod.domain.model import Json

MAX_VALUE_CHARS = 300
"""A value longer than this is cut, so that one attribute cannot push out the rest of an ad."""


def printable(value: Any) -> str:
    """A JSON value as one line of ad text, at most MAX_VALUE_CHARS characters; "" when there is nothing to print.

    Text loses control characters and runs of space, numbers get a decimal comma, lists are joined with commas;
    booleans, null, objects and numbers that are not finite print nothing.
    """
    if isinstance(value, str):
        text = " ".join("".join(ch if ch.isprintable() else " " for ch in value).split())
    elif isinstance(value, bool):
        text = ""
    elif isinstance(value, int | float):
        text = _number(value)
    elif isinstance(value, list | tuple):
        text = ", ".join(part for part in map(_scalar, value[:50]) if part)
    else:
        text = ""
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1].rstrip() + "…"


def spec_lines(domain: str, attributes: Json) -> list[tuple[str, str]]:
    """The specification of an ad: (Swedish label, value) in the order shown, only what has a value.

    `domain` is a canonical slug; unit domains have no lines. Attributes of the wrong type are left out.
    """
    build = _LINES.get(domain)
    return [] if build is None else [(label, value) for label, value in build(attributes) if value]


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else ""
    if not math.isfinite(value) or abs(value) >= 1e15:
        return ""
    return f"{value:.4f}".rstrip("0").rstrip(".").replace(".", ",")


def _scalar(value: Any) -> str:
    return "" if isinstance(value, list | tuple) else printable(value)


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _first(*values: Any) -> str:
    return next((text for text in map(printable, values) if text), "")


def _auto_parts(attributes: Json) -> list[tuple[str, str]]:
    """Both forms of the wire; the nested one wins where both say something."""
    part, vehicle = _object(attributes.get("part")), _object(attributes.get("vehicle"))
    model = _first(vehicle.get("model"), attributes.get("compatibleModels"))
    maker = _first(vehicle.get("manufacturer"), attributes.get("manufacturer"))
    year = _first(vehicle.get("year"), attributes.get("donorVehicleYear"))
    fits = f"{maker} {model}".strip()
    return [
        ("Del", _first(part.get("name"), attributes.get("partName"))),
        ("OEM", _first(part.get("oemNumber"), attributes.get("oemCode"))),
        *_catalog_codes(part.get("catalogCodes")),
        ("Skick", _first(attributes.get("conditionGrade"))),
        ("Anmärkning", _first(attributes.get("conditionNote"))),
        ("Passar", f"{fits} ({year})" if fits and year else fits),
        ("Årsmodell", "" if fits else year),
        ("Fordonstyp", _first(vehicle.get("vehicleType"), attributes.get("vehicleType"))),
    ]


def _catalog_codes(codes: Any) -> list[tuple[str, str]]:
    pairs = list(_object(codes).items())[:20]
    return [(name, printable(code)) for name, code in ((printable(key), code) for key, code in pairs) if name]


@dataclass(frozen=True, slots=True)
class _Line:
    """One flat attribute: its key, label, unit, and Swedish words for the values of a closed list."""

    key: str
    label: str
    unit: str = ""
    words: Mapping[str, str] | None = None

    def of(self, attributes: Json) -> tuple[str, str]:
        """The label and the printed value ("" when there is none)."""
        text = printable(attributes.get(self.key))
        text = (self.words or {}).get(text.lower(), text)
        return self.label, f"{text} {self.unit}" if text and self.unit else text


def _flat(*lines: _Line) -> Callable[[Json], list[tuple[str, str]]]:
    return lambda attributes: [line.of(attributes) for line in lines]


_FUEL = {"petrol": "Bensin", "diesel": "Diesel", "electric": "El", "hybrid": "Hybrid"}
_GENDER = {"mens": "Herr", "womens": "Dam", "unisex": "Unisex", "kids": "Barn"}
_MOVEMENT = {"automatic": "Automatiskt", "quartz": "Kvarts", "manual": "Manuell uppdragning"}
_CONDITION = {"new": "Ny", "used": "Begagnad"}

_DEVICE = _flat(
    _Line("brand", "Märke"),
    _Line("model", "Modell"),
    _Line("serialNumber", "Serienummer"),
    _Line("memoryGb", "Minne", "GB"),
    _Line("storageGb", "Lagring", "GB"),
    _Line("batteryHealthPercentage", "Batterihälsa", "%"),
    _Line("condition", "Skick", words=_CONDITION),
)
_LINES: Mapping[str, Callable[[Json], list[tuple[str, str]]]] = {
    "auto_parts": _auto_parts,
    "vehicles": _flat(
        _Line("registrationPlate", "Registreringsnummer"),
        _Line("make", "Märke"),
        _Line("model", "Modell"),
        _Line("year", "Årsmodell"),
        _Line("mileageKm", "Mätarställning", "km"),
        _Line("fuelType", "Drivmedel", words=_FUEL),
        _Line("color", "Färg"),
    ),
    "electronics": _DEVICE,
    "computers": _DEVICE,
    "fashion": _flat(
        _Line("brand", "Märke"),
        _Line("size", "Storlek"),
        _Line("material", "Material"),
        _Line("gender", "Modell", words=_GENDER),
        _Line("color", "Färg"),
        _Line("condition", "Skick", words=_CONDITION),
    ),
    "books": _flat(
        _Line("author", "Författare"),
        _Line("publisher", "Förlag"),
        _Line("language", "Språk"),
        _Line("isbn", "ISBN"),
    ),
    "watches": _flat(
        _Line("brand", "Märke"),
        _Line("modelReference", "Referens"),
        _Line("movementType", "Urverk", words=_MOVEMENT),
        _Line("caseSizeMm", "Boettstorlek", "mm"),
    ),
}
