"""An ad's words as Tradera takes them: title, description and price, and what the owner wants said above and below.

80 and 7,000 characters, HTML, whole kronor. Tradera renders the description as HTML, so everything an owner wrote is
escaped here. A character outside the first Unicode plane counts as two, as it does for a service that counts UTF-16 code units.

A description ends with a specification: the attributes of the item's domain, in Swedish. Attributes may hold any JSON;
what cannot be printed is left out. A template for its header or footer is plain text with fields in braces.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rheod.domain.categories import OTHER
from rheod.domain.errors import Text
from rheod.domain.model import Item

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
    codes = list(_object(part.get("catalogCodes")).items())
    return [
        ("Del", _first(part.get("name"), attributes.get("partName"))),
        ("OEM", _first(part.get("oemNumber"), attributes.get("oemCode"))),
        *((name, printable(code)) for key, code in codes[:20] if (name := printable(key))),
        ("Skick", _first(attributes.get("conditionGrade"))),
        ("Anmärkning", _first(attributes.get("conditionNote"))),
        ("Passar", f"{fits} ({year})" if fits and year else fits),
        ("Årsmodell", "" if fits else year),
        ("Fordonstyp", _first(vehicle.get("vehicleType"), attributes.get("vehicleType"))),
    ]


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
    return _cut(line, MAX_TITLE, _length_of_title) or line[: MAX_TITLE // 6].strip()


def ad_description(spec: ItemSpec, *, header: str = "", footer: str = "") -> str:
    """The description as HTML in at most 7,000 characters, markup included.

    In this order: the header, the full title when the ad's title had to be cut (or there is nothing else to say), the
    owner's text with its line breaks, the specification, the footer. Room is given to header and footer first, then to
    the title, then to the specification, of which only whole lines are kept, then to the text, which is cut at a word.
    """
    full_title = " ".join(_clean(spec.title).split())
    text = _clean(spec.description).strip()
    above, below = (
        _escaped(_cut(_clean(each).strip(), MAX_FRAME, _length_of_html, _ELLIPSIS))
        for each in (header, footer)
    )
    room = MAX_DESCRIPTION - sum(_length(each) + len(_GAP) for each in (above, below) if each)
    block = _block(spec, room - _length_of_html(full_title) - 2 * len(_GAP))
    head = full_title if full_title != ad_title(spec.title) or not (text or block) else ""
    parts = [above, _escaped(head), "", block, below]
    taken = sum(_length(part) + len(_GAP) for part in parts if part)
    parts[2] = _escaped(_cut(text, MAX_DESCRIPTION - taken, _length_of_html, _ELLIPSIS))
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


def _length_of_html(text: str) -> int:
    return _length(_escaped(text))


def _cut(text: str, limit: int, length: Callable[[str], int], mark: str = "") -> str:
    """The longest beginning of `text` within `limit`, as `length` counts, that ends with a word and `mark` where it was cut.

    A word is cut inside where more than half would be lost without it. "" when nothing is left but the mark.
    """
    if length(text) <= limit:
        return text
    end, used = 0, _length(mark)
    while end < len(text) and (used := used + length(text[end])) <= limit:
        end += 1
    if not text[end].isspace():
        space = max(text.rfind(" ", 0, end), text.rfind("\n", 0, end))
        if space >= end // 2:
            end = space
        while end > 0 and unicodedata.combining(text[end]):
            end -= 1
    kept = text[:end].rstrip(_LOOSE_ENDS)
    return kept + mark if kept else ""


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


MAX_TEMPLATE = 2000
_FIELD = re.compile(r"\{([^{}\n]{0,80})\}")
_METADATA = "metadata."
WITHDRAWAL = (
    "Säljaren är ett företag. Du har 14 dagars ångerrätt enligt lagen om distansavtal: meddela oss inom 14 dagar från det"
    " att du fått varan och skicka tillbaka den inom 14 dagar därefter. Du betalar returfrakten. Vid fel på varan gäller"
    " konsumentköplagen, och du har tre års reklamationsrätt."
)
"""What a business has to say of the right to withdraw and to complain, as the field `{withdrawalRight}`."""


class Part(StrEnum):
    """Where a template stands."""

    HEADER = "header"
    FOOTER = "footer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Words for one account (its reference; None: for all) and one category (a leaf or what it lies in; None: all)."""

    part: Part
    text: str
    account: str | None = None
    category: int | None = None

    @property
    def place(self) -> tuple[Part, str | None, int | None]:
        """What it is for: there is one template for each place."""
        return self.part, self.account, self.category


def _condition(item: Item, default: str) -> str:
    attributes = item.spec.attributes or {}
    wished = item.spec.tradera.condition if item.spec.tradera is not None else None
    said = printable(attributes.get("conditionGrade")) or printable(attributes.get("condition"))
    word = wished or said or default
    return _CONDITION.get(word.lower(), word)


_FIELDS: Mapping[str, Callable[[Item, str], str]] = {
    "externalId": lambda item, _: item.external_id,
    "title": lambda item, _: ad_title(item.spec.title),
    "condition": _condition,
    "weightKg": lambda item, _: printable(item.spec.weight_kg),
    "externalReference": lambda item, _: item.spec.external_reference or "",
    "parentExternalId": lambda item, _: item.spec.parent_external_id or "",
    "withdrawalRight": lambda _item, _: WITHDRAWAL,
}


def template_fault(text: str) -> Text | None:
    """What is wrong with a template; None when it can be used."""
    if len(text) > MAX_TEMPLATE:
        return Text("Must be at most {n} characters", n=MAX_TEMPLATE)
    for name in _FIELD.findall(text):
        if name not in _FIELDS and not (name.startswith(_METADATA) and name != _METADATA):
            known = ", ".join(f"{{{each}}}" for each in (*_FIELDS, "metadata.…"))
            return Text("{field} is none of its fields: {known}", field=f"{{{name}}}", known=known)
    return None


def fill_template(text: str, item: Item, *, condition: str) -> str:
    """The template with the item's values; `condition` is the default one. A field without a value is empty."""

    def value(field: re.Match[str]) -> str:
        name = field[1]
        if name.startswith(_METADATA):
            return printable((item.spec.metadata or {}).get(name.removeprefix(_METADATA)))
        return _FIELDS[name](item, condition) if name in _FIELDS else field[0]

    return _FIELD.sub(value, text)


def choose_template(
    templates: Iterable[Template], part: Part, *, account: str, categories: Sequence[int]
) -> Template | None:
    """The template that applies: the account's before that of all, a nearer category before a wider one.

    `categories` are the item's leaf and what it lies in, the leaf first.
    """

    def rank(template: Template) -> tuple[bool, int] | None:
        if template.part is not part or template.account not in {None, account}:
            return None
        if template.category is not None and template.category not in categories:
            return None
        wide = len(categories) if template.category is None else categories.index(template.category)
        return template.account is None, wide

    ranked = [(found, template) for template in templates if (found := rank(template)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None
