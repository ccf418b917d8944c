"""Text as it is meant: what shows nothing, and ids that look the same."""

from __future__ import annotations

import pytest

from rheod.domain.plain_text import fault_of_new_id, meant, same_looking, shows_something


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "\u200b\u200b",
        "\u00ad\u00ad",
        "\u3164\u115f\u1160\uffa0",
        "\ufeff \u2060",
        "\u2800",
        "\u00a0\u3000",
    ],
)
def test_nothing_is_to_be_seen(text: str) -> None:
    """Zero width, soft hyphens, Hangul fillers, marks and spaces alone are no title."""
    assert not shows_something(text)


@pytest.mark.parametrize("text", ["a", "\u200bå", "한", "👩\u200d🔧", "\u0301", "-"])
def test_something_is_to_be_seen(text: str) -> None:
    """One visible character is enough, in any script."""
    assert shows_something(text)


@pytest.mark.parametrize(
    "external_id",
    [
        "\ufeffART-1",
        "ART\u200b-1",
        "ART-1 ",
        " ART-1",
        "ART-1\u00a0",
        "A\u200eRT-1",
        "ART-1\ufe0f",
        "ART\u00ad-1",
    ],
)
def test_a_new_id_shows_all_it_has(external_id: str) -> None:
    """What cannot be seen is refused, and looks the same as the id without it."""
    assert fault_of_new_id(external_id)
    assert same_looking(external_id) == "ART-1"


@pytest.mark.parametrize("external_id", ["ART-1", "A B", "å/ö", "o\u0308", "漢字", "😀", "a\u3000b"])
def test_an_ordinary_id_is_new_in_any_script(external_id: str) -> None:
    """Spaces within, letters in one code point or two."""
    assert fault_of_new_id(external_id) is None


def test_every_byte_of_windows_is_read_or_dropped() -> None:
    """U+0080 to U+009F are never left in a text."""
    text = meant("".join(map(chr, range(0x80, 0xA0))))
    assert (text[0], text[2], len(text)) == ("€", "ƒ", 27)
