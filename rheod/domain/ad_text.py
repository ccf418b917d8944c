"""An ad's title, description and price as Tradera takes them: 80 and 7,000 characters, HTML, whole kronor.

Tradera renders the description as HTML (tradera-v4.md section 5.1), so everything an owner wrote is escaped here.
A character outside the first Unicode plane counts as two, as it does for a service that counts UTF-16 units.
"""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

from rheod.domain.specification import spec_lines
from rheod.domain.taxonomy import OTHER

if TYPE_CHECKING:
    from rheod.domain.model import ItemSpec

MAX_TITLE = 80
MAX_DESCRIPTION = 7000
SPECIFICATION = "--- Teknisk specifikation ---"

_BREAK = "<br>"
_GAP = _BREAK * 2
_ELLIPSIS = "…"
_LOOSE_ENDS = " \t\n,.;:!?-\u2013\u2014_/\\|&+*=('\"[{<"
_LINE_ENDS = "\r\n\v\f\x85\u2028\u2029"


def ad_title(title: str) -> str:
    """The title in at most 80 characters: one line, cut at a word, with no loose punctuation where it was cut."""
    line = " ".join(_clean(title).split())
    if _length(line) <= MAX_TITLE:
        return line
    return _cut(line, MAX_TITLE) or line[: MAX_TITLE // 2].strip()


def ad_description(spec: ItemSpec) -> str:
    """The description as HTML in at most 7,000 characters, markup included.

    In this order: the full title when the ad's title had to be cut (or there is nothing else to say), the owner's
    text with its line breaks, the specification. Room is given to the title first, then to the specification, of
    which only whole lines are kept, then to the text, which is cut at a word.
    """
    full_title = " ".join(_clean(spec.title).split())
    text = _clean(spec.description).strip()
    block = _block(spec, MAX_DESCRIPTION - _length(_escaped(full_title)) - 2 * len(_GAP))
    head = full_title if full_title != ad_title(spec.title) or not (text or block) else ""
    parts = [_escaped(head), "", block]
    taken = sum(_length(part) + len(_GAP) for part in parts if part)
    parts[1] = _escaped(_cut_to_html(text, MAX_DESCRIPTION - taken))
    return _GAP.join(part for part in parts if part)


def whole_kronor(ore: int) -> int:
    """Öre as whole kronor, rounded half up, at least 1: Tradera takes no öre and no price of 0."""
    return max(1, (ore + 50) // 100)


def _clean(text: str) -> str:
    """Line ends as newlines, tabs as spaces; control characters, lone surrogates and non-characters taken out."""
    text = text.replace("\r\n", "\n")
    for end in _LINE_ENDS:
        text = text.replace(end, "\n")
    return "".join(ch for ch in text.replace("\t", " ") if ch == "\n" or not _is_unfit(ch))


def _is_unfit(ch: str) -> bool:
    return unicodedata.category(ch) in {"Cc", "Cs"} or ord(ch) & 0xFFFE == 0xFFFE


def _length(text: str) -> int:
    return len(text) + sum(ch > "\uffff" for ch in text)


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", _BREAK)


def _cut(text: str, limit: int) -> str:
    """The longest beginning of `text` within `limit` that ends with a word; a very long word is cut inside."""
    end, used = 0, 0
    while end < len(text) and (used := used + _length(text[end])) <= limit:
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
