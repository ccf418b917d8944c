"""The two languages of the pages: English is written in the templates, Swedish is looked up; the browser chooses.

Also how numbers, money and times are written for people: Swedish time, spaces between thousands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from rheod.domain.model import in_sweden
from rheod.web.words_refusals import REFUSALS
from rheod.web.words_sv import MONTHS_SV, SWEDISH

LANGUAGES = ("sv", "en")
_MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_NOTHING = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"


def _pattern(text: str) -> re.Pattern[str]:
    """What a text with `{name}`s looks like once they are filled in."""
    parts = re.split(r"\{(\w+)\}", text)
    written = [f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return re.compile("".join(written), re.DOTALL)


_REFUSALS = [(_pattern(text), swedish) for text, swedish in REFUSALS.items() if "{" in text]


def chosen(accept_language: str) -> str:
    """The language of ours that the browser likes best (RFC 9110 section 12.5.4); Swedish when it likes neither.

    Norwegian and Danish readers are given Swedish too.
    """
    wishes: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, parameters = part.strip().lower().partition(";")
        quality = parameters.strip().removeprefix("q=") or "1"
        try:
            wishes.append((-float(quality), tag.partition("-")[0]))
        except ValueError:
            continue
    for weight, tag in sorted(wishes, key=lambda wish: wish[0]):
        if weight < 0 and tag in {"sv", "nb", "no", "nn", "da"}:
            return "sv"
        if weight < 0 and tag == "en":
            return "en"
    return "sv"


class Words:
    """One language. `now` gives ms UTC, for times that are told relative to it."""

    def __init__(self, language: str, *, now: Callable[[], int]) -> None:
        self.language = language
        self._now = now

    def t(self, text: str, **values: object) -> str:
        """The text in this language, with `{name}`s filled in; what has no translation stays English."""
        found = SWEDISH.get(text, text) if self.language == "sv" else text
        return found.format(**values) if values else found

    def said(self, sentence: str) -> str:
        """A whole sentence from behind the pages in this language, what it cites too; an unknown one stays English."""
        if self.language != "sv":
            return sentence
        if sentence in SWEDISH:
            return SWEDISH[sentence]
        for pattern, swedish in _REFUSALS:
            if found := pattern.fullmatch(sentence):
                return swedish.format(**{name: self.said(part) for name, part in found.groupdict().items()})
        return sentence

    def number(self, value: float) -> str:
        """A number with spaces between thousands; a Swedish decimal comma."""
        text = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
        text = text.replace(",", _SPACE)
        return text.replace(".", ",") if self.language == "sv" else text

    def kr(self, ore: int | None) -> str:
        """An amount in öre as kronor."""
        return _NOTHING if ore is None else f"{self.number(ore / 100)}{_SPACE}kr"

    def when(self, at_ms: int | None) -> str:
        """A moment in Swedish time: the clock alone for today, else with the date."""
        if at_ms is None:
            return _NOTHING
        at, now = in_sweden(at_ms), in_sweden(self._now())
        clock = at.strftime("%H:%M")
        if at.date() == now.date():
            return clock
        months = MONTHS_SV if self.language == "sv" else _MONTHS_EN
        year = "" if at.year == now.year else f" {at.year}"
        return f"{at.day} {months[at.month - 1]}{year} {clock}"

    def of_rfc3339(self, text: str | None) -> str:
        """A moment given as the API writes it."""
        return self.when(None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000))

    def hour(self, at_ms: int) -> str:
        """The hour in Swedish time."""
        return in_sweden(at_ms).strftime("%H")

    def ago(self, at_ms: int | None) -> str:
        """How long ago, or in how long, in one unit."""
        if at_ms is None:
            return self.t("never")
        gap = at_ms - self._now()
        amount = self._span(abs(gap))
        if abs(gap) < _MINUTE_MS:
            return self.t("just now")
        return self.t("in {span}", span=amount) if gap > 0 else self.t("{span} ago", span=amount)

    def _span(self, gap_ms: int) -> str:
        if gap_ms < _HOUR_MS:
            return f"{gap_ms // _MINUTE_MS}{_SPACE}min"
        if gap_ms < 2 * _DAY_MS:
            return f"{gap_ms // _HOUR_MS}{_SPACE}h"
        return self.t("{n} days", n=gap_ms // _DAY_MS)


def iso(at_ms: int) -> str:
    """A moment for the `datetime` attribute of a `time` element."""
    return in_sweden(at_ms).isoformat(timespec="seconds")
