"""The specification lines of an ad: both forms of auto parts, Swedish words, and any JSON at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.ad_text import MAX_VALUE_CHARS, spec_lines
from rheod.domain.categories import DOMAINS

WORDS = st.text("aÖ \n\0\ud800\U0001f697,", max_size=400)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
JSON = (
    SCALARS
    | st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
    | st.dictionaries(WORDS, SCALARS, max_size=3)
)
KEYS = st.sampled_from(
    ["part", "vehicle", "oemCode", "compatibleModels", "year", "brand", "caseSizeMm", "conditionGrade"]
)


def test_nested_auto_parts_print_as_the_contract_shows() -> None:
    """OEM, Skick and Passar, in this order and this form."""
    attributes = {
        "vehicle": {"manufacturer": "Volvo", "model": "XC90", "year": 2018},
        "part": {"oemNumber": "31400452"},
        "conditionGrade": "B",
    }
    assert spec_lines("auto_parts", attributes) == [
        ("OEM", "31400452"),
        ("Skick", "B"),
        ("Passar", "Volvo XC90 (2018)"),
    ]


def test_flat_auto_parts_print_the_same() -> None:
    """The older form says the same things under other names, with several models."""
    attributes = {
        "oemCode": "31400452",
        "partName": "Generator",
        "manufacturer": "Volvo",
        "compatibleModels": ["XC90", "V90"],
        "donorVehicleYear": 2018,
        "vehicleType": "Bil",
        "conditionGrade": "B",
    }
    assert spec_lines("auto_parts", attributes) == [
        ("Del", "Generator"),
        ("OEM", "31400452"),
        ("Skick", "B"),
        ("Passar", "Volvo XC90, V90 (2018)"),
        ("Fordonstyp", "Bil"),
    ]


def test_a_year_without_a_model_stands_alone_and_codes_are_listed() -> None:
    """Nothing is put in brackets behind nothing; each catalogue code has a line under its system's name."""
    attributes = {"vehicle": {"year": 2018}, "part": {"catalogCodes": {"tecdoc": "A-1", "x": None, "y": 7}}}
    assert spec_lines("auto_parts", attributes) == [("tecdoc", "A-1"), ("y", "7"), ("Årsmodell", "2018")]


@pytest.mark.parametrize(
    ("domain", "attributes", "line"),
    [
        ("vehicles", {"fuelType": "Electric"}, ("Drivmedel", "El")),
        ("vehicles", {"mileageKm": 12500}, ("Mätarställning", "12500 km")),
        ("electronics", {"batteryHealthPercentage": 87}, ("Batterihälsa", "87 %")),
        ("computers", {"storageGb": 512.0}, ("Lagring", "512 GB")),
        ("fashion", {"gender": "womens"}, ("Modell", "Dam")),
        ("books", {"isbn": " 978-91 "}, ("ISBN", "978-91")),
        ("watches", {"caseSizeMm": 40.5}, ("Boettstorlek", "40,5 mm")),
        ("watches", {"movementType": "quartz"}, ("Urverk", "Kvarts")),
    ],
)
def test_values_are_printed_in_swedish(
    domain: str, attributes: dict[str, Any], line: tuple[str, str]
) -> None:
    """Closed lists are translated, units and decimal commas added."""
    assert spec_lines(domain, attributes) == [line]


@pytest.mark.parametrize(
    "value", [None, "", "  ", True, {}, [], {"a": 1}, float("nan"), float("inf"), [None, {}], "\x00\x0b"]
)
def test_what_cannot_be_printed_has_no_line(value: Any) -> None:
    """Absent, empty, of the wrong kind or no number: the line is left out."""
    assert spec_lines("books", {"author": value}) == []
    assert spec_lines("auto_parts", {"part": value, "vehicle": {"model": value}}) == []


def test_a_long_value_is_cut_and_stays_on_one_line() -> None:
    """Line ends and control characters go, and the length is bounded."""
    ((_, value),) = spec_lines("books", {"author": "a\nb\x00c " + "d" * 1000})
    assert value.startswith("a b c d")
    assert len(value) == MAX_VALUE_CHARS


def test_unit_domains_ignore_attributes() -> None:
    """Extra fields of a domain without attributes print nothing."""
    assert spec_lines("toys", {"brand": "Brio"}) == []


@settings(deadline=None)
@given(domain=st.sampled_from(sorted(DOMAINS)), attributes=st.dictionaries(KEYS, JSON))
def test_any_json_gives_printable_single_lines(domain: str, attributes: dict[str, Any]) -> None:
    """Whatever JSON the attributes hold, every line is non-empty, printable and bounded."""
    for label, value in spec_lines(domain, attributes):
        assert label
        assert value
        assert (label + value).isprintable()
        assert len(value) <= 2 * MAX_VALUE_CHARS + 20
