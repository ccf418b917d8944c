"""An ad's title, description and price as Tradera takes them: 80 and 7,000 characters, HTML, whole kronor.

Tradera renders the description as HTML, so everything an owner wrote is escaped here. A character outside the first
Unicode plane counts as two, as it does for a service that counts UTF-16 code units.

A description ends with a specification: the attributes of the item's domain, in Swedish. Attributes may hold any JSON;
what cannot be printed is left out.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rheod.domain.taxonomy import OTHER

if TYPE_CHECKING:
    from rheod.domain.model import ItemSpec, Json


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

    `domain` is a canonical slug; one without attributes has no lines. Attributes of the wrong type are left out.
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
    """One flat attribute: its key and label, what it is measured in, Swedish for the values of a closed list."""

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


FUEL_WORDS = {"petrol": "Bensin", "diesel": "Diesel", "electric": "El", "hybrid": "Hybrid"}
GENDER_WORDS = {"mens": "Herr", "womens": "Dam", "unisex": "Unisex", "kids": "Barn"}
MOVEMENT_WORDS = {"automatic": "Automatiskt", "quartz": "Kvarts", "manual": "Manuell uppdragning"}
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
        _Line("fuelType", "Drivmedel", words=FUEL_WORDS),
        _Line("color", "Färg"),
    ),
    "electronics": _DEVICE,
    "computers": _DEVICE,
    "fashion": _flat(
        _Line("brand", "Märke"),
        _Line("size", "Storlek"),
        _Line("material", "Material"),
        _Line("gender", "Modell", words=GENDER_WORDS),
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
        _Line("movementType", "Urverk", words=MOVEMENT_WORDS),
        _Line("caseSizeMm", "Boettstorlek", "mm"),
    ),
}


MAX_TITLE = 80
MAX_DESCRIPTION = 7000
MAX_FRAME = 2500
"""So long may a header or a footer become as HTML, values and all."""
SPECIFICATION = "--- Teknisk specifikation ---"

_BREAK = "<br>"
_GAP = _BREAK * 2
_ELLIPSIS = "…"
_LOOSE_ENDS = " \t\n,.;:!?-\u2013\u2014_/\\|&+*=('\"[{<"
_LINE_ENDS = "\r\n\v\f\x85\u2028\u2029"


def ad_title(title: str) -> str:
    """The title in at most 80 characters: one line, cut at a word, with no loose punctuation where it was cut.

    A quotation mark or an ampersand counts as what it is in HTML, six characters or five: how Tradera counts is not known.
    """
    line = " ".join(_clean(title).split())
    if _length_of_title(line) <= MAX_TITLE:
        return line
    return _cut(line, MAX_TITLE, _length_of_title) or line[: MAX_TITLE // 6].strip()


def ad_description(spec: ItemSpec, *, header: str = "", footer: str = "") -> str:
    """The description as HTML in at most 7,000 characters, markup included.

    In this order: the header, the full title when the ad's title had to be cut (or there is nothing else to say), the
    owner's text with its line breaks, the specification, the footer. Room is given to header and footer first, then to
    the title, then to the specification, of which only whole lines are kept, then to the text, which is cut at a word.
    """
    full_title = " ".join(_clean(spec.title).split())
    text = _clean(spec.description).strip()
    above, below = (_escaped(_cut_to_html(_clean(each).strip(), MAX_FRAME)) for each in (header, footer))
    room = MAX_DESCRIPTION - sum(_length(each) + len(_GAP) for each in (above, below) if each)
    block = _block(spec, room - _length(_escaped(full_title)) - 2 * len(_GAP))
    head = full_title if full_title != ad_title(spec.title) or not (text or block) else ""
    parts = [above, _escaped(head), "", block, below]
    taken = sum(_length(part) + len(_GAP) for part in parts if part)
    parts[2] = _escaped(_cut_to_html(text, MAX_DESCRIPTION - taken))
    return _GAP.join(part for part in parts if part)


def whole_kronor(ore: int) -> int:
    """Öre as whole kronor, rounded half up, at least 1: Tradera takes no öre and no price of 0."""
    return max(1, (ore + 50) // 100)


def _clean(text: str) -> str:
    """Line ends as newlines, tabs as spaces; control characters, lone surrogates and non-characters taken out."""
    text = text.replace("\r\n", "\n")
    for end in _LINE_ENDS:
        text = text.replace(end, "\n")
    return "".join(
        ch
        for ch in text.replace("\t", " ")
        if ch == "\n" or not (unicodedata.category(ch) in {"Cc", "Cs"} or ord(ch) & 0xFFFE == 0xFFFE)
    )


def _length(text: str) -> int:
    return len(text) + sum(ch > "\uffff" for ch in text)


def _length_of_title(text: str) -> int:
    return _length(html.escape(text))


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", _BREAK)


def _cut(text: str, limit: int, length: Callable[[str], int] = _length) -> str:
    """The longest beginning of `text` within `limit` that ends with a word; a very long word is cut inside."""
    end, used = 0, 0
    while end < len(text) and (used := used + length(text[end])) <= limit:
        end += 1
    return _back_to_word(text, end)


def _cut_to_html(text: str, limit: int) -> str:
    """As `_cut`, but `limit` counts the escaped form, and an ellipsis marks the cut."""
    if _length(_escaped(text)) <= limit:
        return text
    end, used = 0, _length(_ELLIPSIS)
    while end < len(text) and (used := used + _length(_escaped(text[end]))) <= limit:
        end += 1
    kept = _back_to_word(text, end)
    return kept + _ELLIPSIS if kept else ""


def _back_to_word(text: str, end: int) -> str:
    """`text` up to `end`, moved back to the end of a word unless that would give up more than half."""
    if end < len(text) and not text[end].isspace():
        space = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
        if space >= end // 2:
            end = space
        while end > 0 and unicodedata.combining(text[end]):
            end -= 1
    return text[:end].rstrip(_LOOSE_ENDS)


def _block(spec: ItemSpec, room: int) -> str:
    """The specification as HTML, of as many whole lines as there is room for; "" when there is none."""
    lines = [
        _escaped(f"{label}: {value}")
        for label, value in spec_lines(spec.domain or OTHER, spec.attributes or {})
    ]
    kept = [SPECIFICATION]
    room -= len(SPECIFICATION)
    for line in lines:
        room -= _length(line) + len(_BREAK)
        if room < 0:
            break
        kept.append(line)
    return _BREAK.join(kept) if len(kept) > 1 else ""
