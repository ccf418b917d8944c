"""The attributes an ad carries in its leaf: what the item says, in the words and by the numbers that the leaf knows.

An attribute has another id in another leaf, so that it is always found by its name there. Tradera takes only the terms of
the leaf, letter by letter; an item may write them with other case, accents or spaces, or without their unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rheod.domain.ad_text import FUEL_WORDS, GENDER_WORDS, MOVEMENT_WORDS, printable
from rheod.domain.categories import AttributeDefinition, AttributeKind, plain
from rheod.domain.errors import Text
from rheod.domain.model import ItemSpec

CONDITION_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "new": ("Nytt", "Ny", "Oanvänt", "Oanvänd"),
        "used": ("Begagnat", "Begagnad", "Använt", "Använd"),
        "a": ("Mycket gott skick", "Nyskick", "Gott skick"),
        "b": ("Gott skick", "Bra skick"),
        "c": ("Okej skick", "Slitet skick", "Acceptabelt skick"),
        "d": ("Defekt", "Slitet skick"),
        "mint": ("Nyskick", "Mycket gott skick"),
        "good": ("Gott skick",),
        "fair": ("Okej skick",),
        "broken": ("Defekt",),
    }
)
"""Condition words and grades, and the terms they stand for: the first that a leaf knows. The owner may change the table."""

_CONDITION = "skick"
_WHOLE = {"int", "integer", "n0", "0"}
"""Formats of a number that has no decimals."""
_MAKE = ("Märke", "Varumärke", "Tillverkare")
_MODEL = ("Modell", "Modellnamn")
_YEAR = ("Årsmodell", "Modellår", "Tillverkningsår", "År")
_COLOR = ("Färg", "Huvudfärg")
_GRADES = ("conditionGrade", "condition")
_Field = tuple[str, tuple[str, ...], Mapping[str, str]]


def _names(path: str, names: tuple[str, ...], words: Mapping[str, str] = MappingProxyType({})) -> _Field:
    return path, names, words


_DEVICE = (
    _names("brand", _MAKE),
    _names("model", _MODEL),
    _names("memoryGb", ("Minne", "RAM-minne", "Arbetsminne", "Internminne")),
    _names("storageGb", ("Lagring", "Lagringskapacitet", "Lagringsutrymme", "Hårddisk")),
)
FIELDS: Mapping[str, tuple[_Field, ...]] = MappingProxyType(
    {
        "auto_parts": (
            _names("part.oemNumber", ("OEM-nummer", "Originalnummer", "Artikelnummer")),
            _names("oemCode", ("OEM-nummer", "Originalnummer", "Artikelnummer")),
            _names("vehicle.manufacturer", ("Bilmärke", "Fordonsmärke", *_MAKE)),
            _names("manufacturer", ("Bilmärke", "Fordonsmärke", *_MAKE)),
            _names("vehicle.model", ("Bilmodell", "Passar modell", *_MODEL)),
            _names("compatibleModels", ("Bilmodell", "Passar modell", *_MODEL)),
            _names("vehicle.year", _YEAR),
            _names("donorVehicleYear", _YEAR),
            _names("vehicle.vehicleType", ("Fordonstyp",)),
            _names("vehicleType", ("Fordonstyp",)),
        ),
        "vehicles": (
            _names("make", ("Bilmärke", *_MAKE)),
            _names("model", ("Bilmodell", *_MODEL)),
            _names("year", _YEAR),
            _names("mileageKm", ("Mätarställning", "Körsträcka")),
            _names("fuelType", ("Drivmedel", "Bränsle"), FUEL_WORDS),
            _names("color", _COLOR),
        ),
        "electronics": _DEVICE,
        "computers": _DEVICE,
        "fashion": (
            _names("brand", _MAKE),
            _names("size", ("Storlek", "Skostorlek", "Klädstorlek")),
            _names("material", ("Material",)),
            _names("gender", ("Kön", "Passar", "Avdelning", "Modell"), GENDER_WORDS),
            _names("color", _COLOR),
        ),
        "books": (
            _names("author", ("Författare",)),
            _names("publisher", ("Förlag",)),
            _names(
                "language",
                ("Språk",),
                {"sv": "Svenska", "swedish": "Svenska", "en": "Engelska", "english": "Engelska"},
            ),
            _names("isbn", ("ISBN",)),
        ),
        "watches": (
            _names("brand", _MAKE),
            _names("modelReference", ("Referens", "Referensnummer", *_MODEL)),
            _names("movementType", ("Urverk", "Drivning"), MOVEMENT_WORDS),
            _names("caseSizeMm", ("Boettstorlek", "Diameter")),
        ),
    }
)
"""By domain its fields, each with the names its attribute may have in a leaf and the Swedish of a closed list's values."""

MOST_TERMS_SHOWN = 12
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True)
class MissingAttribute:
    """A required attribute without a value that the leaf takes, and the terms to choose from."""

    name: str
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeMatch:
    """What the ad carries, by the ids of the leaf; what it cannot, a sentence each; what it must and does not."""

    terms: tuple[tuple[int, tuple[str, ...]], ...] = ()
    numbers: tuple[tuple[int, tuple[float, ...]], ...] = ()
    left_out: tuple[Text, ...] = ()
    missing: tuple[MissingAttribute, ...] = ()

    @property
    def fault(self) -> Text | None:
        """What is missing with the terms to choose from, in one sentence; None when nothing is."""
        if not self.missing:
            return None
        named = []
        for each in self.missing:
            shown = ", ".join(each.terms[:MOST_TERMS_SHOWN])
            more = ", …" if len(each.terms) > MOST_TERMS_SHOWN else ""
            named.append(f"{each.name} ({shown}{more})" if shown else each.name)
        return Text(
            "Tradera wants more of an ad in this category: {attributes}. Give it as attributes",
            attributes="; ".join(named),
        )


@dataclass(frozen=True, slots=True)
class _Said:
    """Values for an attribute, and whether the owner named that attribute: then what does not fit is told."""

    values: tuple[Any, ...]
    by_name: str = ""


def match_attributes(
    spec: ItemSpec,
    definitions: Sequence[AttributeDefinition],
    *,
    condition: str,
    words: Mapping[str, Sequence[str]] = CONDITION_WORDS,
) -> AttributeMatch:
    """What an ad of this item carries in a leaf with these definitions; `condition` is the owner's default, new or used."""
    named, unknown = _named(spec, definitions)
    terms: list[tuple[int, tuple[str, ...]]] = []
    numbers: list[tuple[int, tuple[float, ...]]] = []
    left_out = [
        Text("The category has no attribute {name}: it was left out", name=_shown(name)) for name in unknown
    ]
    missing: list[MissingAttribute] = []
    for definition in definitions:
        said = named.get(definition.id) or _Said(tuple(_of_domain(spec, definition)))
        fitting, rest = _fitting(definition, said.values, words)
        if not said.by_name and not fitting and _is_condition(definition):
            fitting, _ = _fitting(definition, (condition,), words)
        if len(fitting) < definition.min_values and definition.kind is not AttributeKind.UNKNOWN:
            missing.append(MissingAttribute(definition.name, definition.terms))
            continue
        most = len(fitting) if definition.max_values is None else definition.max_values
        told = [*rest, *map(_shown, fitting[most:])] if said.by_name else rest
        left_out += [
            Text(
                "{name} cannot be {value} in this category: it was left out", name=definition.name, value=each
            )
            for each in told
        ]
        kept = fitting[:most]
        if kept and definition.kind is AttributeKind.NUMBER:
            numbers.append((definition.id, tuple(float(each) for each in kept)))
        elif kept:
            terms.append((definition.id, tuple(map(str, kept))))
    return AttributeMatch(
        terms=tuple(terms), numbers=tuple(numbers), left_out=tuple(left_out), missing=tuple(missing)
    )


def _named(
    spec: ItemSpec, definitions: Sequence[AttributeDefinition]
) -> tuple[dict[int, _Said], tuple[str, ...]]:
    """What the item says of attributes by their name, key or id; and what it names that the leaf does not have."""
    given = (spec.tradera.attributes if spec.tradera is not None else None) or {}
    by_name = {
        plain(each): definition for definition in definitions for each in (definition.key, definition.name)
    }
    by_name |= {str(definition.id): definition for definition in definitions}
    found: dict[int, _Said] = {}
    unknown = []
    for name, value in given.items():
        definition = by_name.get(plain(name))
        if definition is None:
            unknown.append(name)
        else:
            found[definition.id] = _Said(_listed(value), name)
    return found, tuple(unknown)


def _of_domain(spec: ItemSpec, definition: AttributeDefinition) -> Iterator[Any]:
    """What the item's other fields say of this attribute."""
    attributes = spec.attributes or {}
    if _is_condition(definition):
        yield from (value for name in _GRADES for value in _listed(attributes.get(name)))
        yield from _listed(spec.tradera and spec.tradera.condition)
        return
    wanted = {plain(definition.name), plain(definition.key)}
    for path, names, swedish in FIELDS.get(spec.domain or "", ()):
        if wanted & set(map(plain, names)):
            found: Any = attributes
            for name in path.split("."):  # None where something on the way is no object
                found = found.get(name) if isinstance(found, Mapping) else None
            yield from (swedish.get(str(value).lower(), value) for value in _listed(found))


def _fitting(
    definition: AttributeDefinition, said: Iterable[Any], words: Mapping[str, Sequence[str]]
) -> tuple[list[str | float], list[str]]:
    """Those values that the leaf takes, as it writes them, and the others as they are shown; each once."""
    fitting: list[str | float] = []
    rest: list[str] = []
    is_condition = _is_condition(definition)
    for value in said:
        meant = [value, *words.get(plain(str(value)), ())] if is_condition else [value]
        found = next((fit for each in meant if (fit := _fit(definition, each)) is not None), None)
        if found is None:
            rest.append(_shown(value))
        elif found not in fitting:
            fitting.append(found)
        if is_condition and fitting:
            return fitting, []  # a grade says more than that a thing is used
    return fitting, rest


def _fit(definition: AttributeDefinition, value: Any) -> str | float | None:
    """The value as Tradera takes it; None when it does not."""
    if definition.kind is AttributeKind.NUMBER:
        number = _amount(value) if isinstance(value, str) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            number = float(value)
        whole = number is None or number.is_integer() or definition.value_format.lower() not in _WHOLE
        return number if whole else None
    text = printable(value)
    if not text or definition.kind is AttributeKind.UNKNOWN:
        return None
    if not definition.terms:
        return text
    return _term(text, definition.terms)


def _term(text: str, terms: Sequence[str]) -> str | None:
    """The term that is meant: letter by letter, else but for case and accents, for spaces, or for a unit that only one has."""
    if text in terms:
        return text
    wanted = plain(text)
    for term in terms:
        if plain(term) == wanted:
            return term
    close = [term for term in terms if plain(term).replace(" ", "") == wanted.replace(" ", "")]
    if close:
        return close[0]
    amount = _amount(text)
    units = [term for term in terms if amount is not None and _amount(term) == amount]
    return units[0] if len(units) == 1 else None


def _amount(text: str) -> float | None:
    """The number of `64 GB`, `64` or `64,0 gb`; None for what is no number with at most a unit."""
    found = _NUMBER.match(text.strip())
    if found is None or any(each.isdigit() for each in text.strip()[found.end() :]):
        return None
    return float(found.group().replace(",", "."))


def _is_condition(definition: AttributeDefinition) -> bool:
    return _CONDITION in {plain(definition.name), plain(definition.key)}


def _listed(value: Any) -> tuple[Any, ...]:
    if value is None or isinstance(value, bool) or value == "":
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _shown(value: Any) -> str:
    return printable(value)[:80] or "?"
