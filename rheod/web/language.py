"""The two languages of the pages: English is what the templates say, Swedish is `locale/sv.po`.

The browser chooses language and theme, unless the owner has, for this browser.

Plurals come from the catalogue, numbers and dates from Babel. Babel is loaded with the first page shown: most daemons
show none for days.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from string import Formatter

from aiohttp import web

from rheod.domain.calendar import SWEDEN, in_sweden
from rheod.domain.categories import DOMAINS
from rheod.domain.errors import Text

LANGUAGES = ("sv", "en")
_LOCALES = {"sv": "sv_SE", "en": "en_SE"}
"""English as it is written in Sweden: spaces between thousands, and the 24-hour clock."""

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_NOTHING = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")
"""How sentences from behind the pages write a moment in Swedish time."""


def chosen(accept_language: str) -> str:
    """The language of ours that the browser's Accept-Language likes best; Swedish when it likes neither.

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


LANGUAGE_COOKIE, THEME_COOKIE = "rheod_language", "rheod_theme"
THEMES = ("light", "dark")


def of_reader(request: web.Request, *, now: Callable[[], int]) -> Language:
    """The language and theme that were chosen in this browser, else those that the browser likes best."""
    theme, code = request.cookies.get(THEME_COOKIE, ""), request.cookies.get(LANGUAGE_COOKIE, "")
    if code not in LANGUAGES:
        code = chosen(request.headers.get("Accept-Language", ""))
    return Language(code, now=now, theme=theme if theme in THEMES else "")


@cache
def translations(code: str) -> gettext.NullTranslations:
    """The catalogue of a language; English needs none."""
    if code == "en":
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - with the first page
    from babel.messages.pofile import read_po  # noqa: PLC0415

    compiled = BytesIO()
    with files("rheod.web").joinpath(f"locale/{code}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code, abort_invalid=True))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _patterns(code: str) -> list[tuple[re.Pattern[str], str]]:
    """The templates with values, as patterns of the sentences that they make; those that say most first."""
    found = []
    for template in getattr(translations(code), "_catalog", {}):
        if not isinstance(template, str) or "{" not in template:
            continue
        parts = list(Formatter().parse(template))
        names = [name for _, name, _, _ in parts if name]
        said = sum(len(text) for text, *_ in parts)
        if said < _SAYS_ENOUGH or len(set(names)) != len(names):
            continue
        whole = "".join(re.escape(text) + (f"(?P<{name}>.+)" if name else "") for text, name, _, _ in parts)
        found.append((said, re.compile(whole, re.DOTALL), template))
    return [(pattern, template) for _, pattern, template in sorted(found, key=lambda each: -each[0])]


_SAYS_ENOUGH = 8
"""A template with fewer letters of its own would fit almost anything."""


class Language:
    """One language. `now` gives ms UTC, for times that are said relative to it; `theme` "" is as the browser likes it."""

    def __init__(self, code: str, *, now: Callable[[], int], theme: str = "") -> None:
        self.code = code
        self.theme = theme
        self._now = now
        self._catalogue = translations(code)

    def gettext(self, text: str, /, **values: object) -> str:
        """A text of the pages in this language, with `{name}`s filled in."""
        found = self._catalogue.gettext(text)
        return found.format(**values) if values else found

    def ngettext(self, one: str, many: str, n: int, /, **values: object) -> str:
        """A text about `{n}` things."""
        return self._catalogue.ngettext(one, many, n).format(n=n, **values)

    def say(self, sentence: str) -> str:
        """A sentence from behind the pages, and each sentence it cites; what others wrote stays as it is."""
        if not isinstance(sentence, Text):
            return sentence
        values = {name: self._value(name, each) for name, each in sentence.values.items()}
        if sentence.plural is None:
            return self._catalogue.gettext(sentence.template).format(**values)
        values["n"] = self.number(int(sentence.values["n"]))
        found = self._catalogue.ngettext(sentence.template, sentence.plural, int(sentence.values["n"]))
        return found.format(**values)

    def _value(self, name: str, value: object) -> object:
        """A value of a sentence: one it cites, a kind of goods, a moment in Swedish time; others as they are."""
        if isinstance(value, Text):
            return self.say(value)
        if name == "domain":
            return self._goods(value)
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            return self._written(datetime.fromisoformat(value).replace(tzinfo=SWEDEN), "d MMM y HH:mm")
        return value

    def _goods(self, slug: object) -> object:
        """A kind of goods by its name; what an ERP made up stays as it is."""
        known = DOMAINS.get(str(slug))
        return slug if known is None else known.label_sv if self.code == "sv" else known.label_en

    def recognised(self, sentence: str) -> str:
        """A sentence of ours that was kept as plain English, as an event carries it; what others wrote stays as it is."""
        if isinstance(sentence, Text) or self.code == "en":
            return self.say(sentence)
        if (whole := self._catalogue.gettext(sentence)) != sentence:
            return whole
        for pattern, template in _patterns(self.code):
            if found := pattern.fullmatch(sentence):
                values = {name: self.recognised(each) for name, each in found.groupdict().items()}
                return self._catalogue.gettext(template).format(**values)
        return sentence

    def number(self, value: float) -> str:
        """A number with spaces between thousands; two decimals unless it is whole."""
        from babel.numbers import format_decimal  # noqa: PLC0415 - with the first page

        pattern = "#,##0" if value == int(value) else "#,##0.00"
        return format_decimal(value, format=pattern, locale=_LOCALES[self.code])

    def load(self) -> None:
        """Load what this language says things with, ahead of its first page."""
        self.kr(150)
        self.when(None)
        self.month("2026-01")

    def kr(self, ore: int | None) -> str:
        """An amount in öre as kronor."""
        return _NOTHING if ore is None else f"{self.number(ore / 100)}{_SPACE}kr"

    def when(self, at_ms: int | None) -> str:
        """A moment in Swedish time: the clock alone for today, else with the date."""
        if at_ms is None:
            return _NOTHING
        at, now = in_sweden(at_ms), in_sweden(self._now())
        if at.date() == now.date():
            return at.strftime("%H:%M")
        return self._written(at, "d MMM HH:mm" if at.year == now.year else "d MMM y HH:mm")

    def month(self, year_month: str) -> str:
        """A month given as `2026-05`."""
        return self._written(date.fromisoformat(f"{year_month}-01"), "MMM y")

    def short_month(self, year_month: str) -> str:
        """A month given as `2026-05`, without its year."""
        return self._written(date.fromisoformat(f"{year_month}-01"), "MMM")

    def weekday(self, number: int) -> str:
        """A weekday, short; 0 is Monday."""
        return self._written(date(2024, 1, 1 + number), "EEE")

    def day(self, day: date) -> str:
        """A day with its weekday."""
        return self._written(day, "EEE d MMM")

    def _written(self, at: date | datetime, pattern: str) -> str:
        from babel.dates import format_date, format_datetime  # noqa: PLC0415 - with the first page

        locale = _LOCALES[self.code]
        if isinstance(at, datetime):
            return format_datetime(at, pattern, tzinfo=SWEDEN, locale=locale)
        return format_date(at, pattern, locale=locale)

    def of_rfc3339(self, text: str | None) -> str:
        """A moment given as the API writes it."""
        return self.when(None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000))

    def today(self) -> str:
        """Today's date with its weekday, as a sentence begins."""
        written = self._written(in_sweden(self._now()), "EEEE d MMMM")
        return written[0].upper() + written[1:]

    def clock(self) -> str:
        """What the clock shows."""
        return in_sweden(self._now()).strftime("%H:%M")

    def clock_of(self, at_ms: int) -> str:
        """The time of day in Swedish time."""
        return in_sweden(at_ms).strftime("%H:%M")

    def hour(self, at_ms: int) -> str:
        """The hour in Swedish time."""
        return in_sweden(at_ms).strftime("%H")

    def ahead(self, at_ms: int) -> str:
        """In how long, in one unit."""
        return self.ago(at_ms) if at_ms - self._now() >= _MINUTE_MS else self.gettext("in a moment")

    def ago(self, at_ms: int | None) -> str:
        """How long ago, or in how long, in one unit."""
        if at_ms is None:
            return self.gettext("never")
        gap = at_ms - self._now()
        if abs(gap) < _MINUTE_MS:
            return self.gettext("just now")
        span = self.ngettext("{n} day", "{n} days", abs(gap) // _DAY_MS)
        if abs(gap) < _HOUR_MS:
            span = f"{abs(gap) // _MINUTE_MS}{_SPACE}min"
        elif abs(gap) < 2 * _DAY_MS:
            span = f"{abs(gap) // _HOUR_MS}{_SPACE}h"
        return self.gettext("in {span}", span=span) if gap > 0 else self.gettext("{span} ago", span=span)


def iso(at_ms: int) -> str:
    """A moment for the `datetime` attribute of a `time` element."""
    return in_sweden(at_ms).isoformat(timespec="seconds")
