"""The partner's id in a path: read as sent, checked as text."""

from __future__ import annotations

import pytest

from rheod.api.field_types import read_external_id

BASE = "/integration/v1/items/"


def read(segment: str, *, suffix: str = "") -> tuple[str, list[str]]:
    text, found = read_external_id(f"{BASE}{segment}{suffix}", segment=3)
    return text, [one.field for one in found]


@pytest.mark.parametrize(
    ("segment", "wanted"),
    [
        ("ERP_PART_12345", "ERP_PART_12345"),
        ("a%2Fb%2fc", "a/b/c"),
        ("%252F", "%2F"),
        ("50%25", "50%"),
        ("a+b", "a+b"),
        ("%20", " "),
        ("%7Bx%7D", "{x}"),
        ("%3Fq%23f", "?q#f"),
        ("%C3%A5%F0%9F%98%80", "å😀"),
        ("..", ".."),
        ("%2E%2E%2F%2E%2E", "../.."),
        ("price", "price"),
        ("x" * 255, "x" * 255),
        ("%C3%A5" * 255, "å" * 255),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/price", "?a=b/c", "/status?x=%zz", "#f"])
def test_an_id_is_what_was_encoded(segment: str, wanted: str, suffix: str) -> None:
    """Percent-decoding happens once, slashes stay in the id, and what follows the segment plays no part."""
    assert read(segment, suffix=suffix) == (wanted, [])


@pytest.mark.parametrize(
    "segment",
    [
        "",
        "x" * 256,
        "%C3%A5" * 256,
        "a%00b",
        "a%0Ab",
        "%7F",
        "%C2%85",
        "%E2%80%AE",
        "%E2%81%A6",
        "%D8%9C",
        "%E2%80%A8",
        "%EF%BF%BE",
        "%ED%A0%80",
        "%FF",
        "%C3",
        "%",
        "%2",
        "%zz",
        "a%u0041",
        "\udcff",
    ],
)
def test_an_id_that_cannot_be_kept_names_its_field(segment: str) -> None:
    """Empty, too long, control, bidi, surrogate and badly encoded ids are refused under the name externalId."""
    assert read(segment)[1] == ["externalId"]


def test_the_absolute_form_of_a_request_line_is_read_too() -> None:
    """A proxy's `GET http://host/path` names the same id."""
    assert read_external_id(f"http://parts.example:80{BASE}a%2Fb?x", segment=3) == ("a/b", [])
