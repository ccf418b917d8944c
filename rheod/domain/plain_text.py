"""Text as it is meant: what cannot be seen, what was decoded wrongly, and ids that only look the same.

An owner's text comes from files of many origins: letters in two code points from a Mac, Windows-1252 read as Latin-1, byte
order marks at the start of a CSV. Two ids that look the same name one thing, and two ads of one thing are sold twice.
"""

from __future__ import annotations

import re
import unicodedata

from rheod.domain.errors import Text

INVISIBLE_RANGES = (
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width, direction marks
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),  # the Braille pattern without dots
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
"""Code points that show nothing (Unicode's Default_Ignorable_Code_Point, and the empty Braille pattern)."""

SPACE_RANGES = (
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
"""The spaces beyond ASCII: at the end of an id they cannot be seen either."""

_INVISIBLE = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in INVISIBLE_RANGES) + "]")
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What turns the order of the characters after it, also of those that somebody else wrote."""

_WINDOWS = {
    code: bytes([code]).decode("cp1252", errors="ignore")  # five of them mean nothing in Windows-1252 either
    for code in range(0x80, 0xA0)
}
_MEANT = _WINDOWS | {0x0B: " ", 0x0C: " "}
_TO_MEND = re.compile("[\x0b\x0c\x80-\x9f\u202a-\u202e\u2066-\u2069]")


def meant(text: str) -> str:
    """The text as it was meant, in NFC.

    Vertical tab and form feed count as a space, U+0080 to U+009F are the characters of Windows-1252, and what turns the
    direction of writing is dropped.
    """
    if text.isascii() and text.isprintable():
        return text
    if _TO_MEND.search(text):
        text = _OVERRIDES.sub("", text.translate(_MEANT))
    return unicodedata.normalize("NFC", text)


def shows_something(text: str) -> bool:
    """Whether there is anything to see in the text."""
    if text.isascii() and text.isprintable():
        return bool(text.strip())
    return any(
        not (each.isspace() or unicodedata.category(each) == "Cc") for each in _INVISIBLE.sub("", text)
    )


def same_looking(external_id: str) -> str:
    """What an id shows: two ids for which this is the same cannot be told apart by eye."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", external_id)).strip()


def fault_of_new_id(external_id: str) -> Text | None:
    """Why no new item may have this id, though one that has it stays reachable; None when it may."""
    if external_id.isascii() and external_id.isprintable():
        return _SPACES if external_id != external_id.strip() else None
    if _INVISIBLE.search(external_id):
        return Text("Must not contain characters that cannot be seen, such as a byte order mark")
    return _SPACES if external_id != external_id.strip() else None


_SPACES = Text("Must not begin or end with a space")
