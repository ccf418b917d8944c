"""The pages about ends: the windows, the week with what ends when, another end by hand in two steps, and the calendar."""

from __future__ import annotations

import re
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rheod.api.field_types import raise_if_any, read_external_id
from rheod.domain.calendar import (
    SHORTEST_MIN,
    SWEDEN,
    EndChoice,
    EndWindow,
    day_of,
    in_sweden,
    places,
    start_of,
)
from rheod.domain.errors import FieldError, Refused, Text
from rheod.web.charts import week
from rheod.web.forms import refuse_changed, wrong_field
from rheod.web.integration import of_account
from rheod.web.selling_page import look
from rheod.web.site import HOME, ActionDone, Page
from rheod.web.words import window_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rheod.api.routing import Route
    from rheod.store.ads import ScheduledEnd
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext

ENDS = f"{HOME}/ends"
ITEM = ENDS + "/of/{externalId:[^/]+}"
WEEKS = 16
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""As windows are written."""
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d", re.ASCII)
_MOST_WINDOWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfEnds:
    """What ends on a day by Swedish clocks; `bands` are its windows in minutes of the day."""

    day: date
    bands: tuple[tuple[int, int], ...]
    ends: tuple[ScheduledEnd, ...]


def days_of(windows: Sequence[EndWindow], ends: Sequence[ScheduledEnd], first: date) -> list[DayOfEnds]:
    """Seven days from the first on."""
    by_day: dict[date, list[ScheduledEnd]] = defaultdict(list)
    for each in ends:
        by_day[day_of(each.end_at)].append(each)
    days = [first + timedelta(days=n) for n in range(7)]
    return [
        DayOfEnds(
            day=day,
            bands=tuple((each.begins, each.ends) for each in windows if day.weekday() in each.days),
            ends=tuple(by_day[day]),
        )
        for day in days
    ]


def window_of(form: Mapping[str, str]) -> str:
    """The window that a form describes, as windows are written. Raises Refused with what is wrong of each field."""
    wrong: list[FieldError] = []
    days = [name for number, name in enumerate(DAY_NAMES) if form.get(f"day.{number}")]
    begins, ends = form.get("begins", "").strip(), form.get("ends", "").strip()
    if not days:
        wrong.append(FieldError("days", Text("Choose at least one day")))
    if not (_CLOCK.fullmatch(begins) and _CLOCK.fullmatch(ends)):
        wrong.append(FieldError("begins", Text("Give both times, as 19:00")))
    else:
        ends = "24:00" if ends in {"00:00", "0:00"} else ends
        first, last = (int(each[:-3]) * 60 + int(each[-2:]) for each in (begins, ends))
        if last < first + SHORTEST_MIN:
            said = Text("A window ends at least {n} minutes after it begins, on the same day", n=SHORTEST_MIN)
            wrong.append(FieldError("begins", said))
    raise_if_any(wrong)
    return f"{','.join(days)} {begins}-{ends}"


def local_time(text: str) -> int:
    """A time by Swedish clocks as a form gives it (ms UTC). Raises Refused."""
    try:
        at = datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=SWEDEN)
    except ValueError as error:
        raise wrong_field("endAt", Text("Choose a day and a time")) from error
    return round(at.timestamp() * 1000)


def spread_of(choice: EndChoice) -> tuple[object, ...]:
    """What the form about how close ends lie replaces."""
    return choice.spacing_min, choice.per_window, choice.per_category, choice.durations


def spread_words(choice: EndChoice, language: Language) -> str:
    """The same as a shop says it."""
    fits = language.gettext("as many as fit")
    return language.gettext(
        "{minutes} minutes between two ends, in a window {window}, of one category {category}, for {days} days.",
        minutes=choice.spacing_min,
        window=choice.per_window or fits,
        category=choice.per_category or fits,
        days=", ".join(map(str, choice.durations)),
    )


class EndsPage:
    """When auctions end."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._ending = context.api.ending

    def routes(self) -> list[Route]:
        """The week, one listing's end, and what can be said of them."""
        page = self._site.page
        chosen = partial(self._site.action, name="choose ends", page=self.show)
        return [
            ("GET", ENDS, page(self.show)),
            ("POST", f"{ENDS}/windows", chosen(self.add)),
            ("POST", f"{ENDS}/windows/remove", chosen(self.remove)),
            ("POST", f"{ENDS}/spread", chosen(self.spread)),
            ("POST", f"{ENDS}/calendar", self._site.action(self.feed, name="make calendar", page=self.show)),
            (
                "POST",
                f"{ENDS}/calendar/revoke",
                self._site.action(self.revoke, name="revoke calendar", page=self.show),
            ),
            ("GET", ITEM, page(self.show_item)),
            ("GET", f"{ITEM}/look", page(self.show_item)),
            ("POST", f"{ITEM}/look", look(self._site, self._context, self.show_item)),
            ("POST", ITEM, self._site.action(self.move, name="move end", page=self.show_item)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The week with its windows, and everything that decides about it."""
        given, language = request.http.query.get("week", ""), request.language
        ahead = min(int(given[:3]), WEEKS) if given.isascii() and given.isdecimal() else 0
        first = day_of(self._context.api.now()) + timedelta(days=7 * ahead)
        choice, locked = await self._ending.owners_choice()
        found = await self._ending.between(
            [request.account_id], start_of(first), start_of(first + timedelta(days=7))
        )
        days = days_of(choice.rules.windows, found, first)
        drawn = week(
            language.gettext("What ends when"),
            [
                (
                    language.day(each.day),
                    each.bands,
                    [(_minute(one.end_at), one.is_up, one.title) for one in each.ends],
                )
                for each in days
            ],
        )
        values: dict[str, Any] = {
            "ahead": ahead,
            "last": WEEKS,
            "days": days,
            "drawn": drawn,
            "choice": choice,
            "locked": locked,
            "spread": spread_of(choice),
            "windows": [(each, window_words(each, language)) for each in choice.windows],
            "weekdays": [language.weekday(number) for number in range(7)],
            "has_feed": await self._ending.has_feed(request.account_id),
        }
        return Page("ends.html", values)

    async def show_item(self, request: PageRequest) -> Page:
        """One listing's end, and what another one would mean, before it is said."""
        external_id = _external_id(request)
        view = await self._context.api.items.read_item(request.account_id, external_id)
        wanted, before, after, fault, fits = request.form.get("endAt", ""), None, None, "", False
        if wanted:
            try:
                at = local_time(wanted)
                before, after = await self._ending.foreseen(request.account_id, external_id, at)
                rules = (await self._ending.owners_choice())[0].rules
                fits = any(at in places(each, day_of(at)) for each in rules.windows)
            except Refused as error:
                said = error.details[0].message if error.details else str(error)
                fault = "" if request.failed else request.language.say(said)
        else:
            before = view.listing.end_place if view.listing is not None else None
        if before is not None and not before.end_at:
            before = None
        values: dict[str, Any] = {
            "here": f"{ENDS}/of/{quote(external_id, safe='')}",
            "title": view.item.spec.title,
            "external_id": external_id,
            "before": before,
            "after": after,
            "wanted": wanted or (in_sweden(before.end_at).strftime("%Y-%m-%dT%H:%M") if before else ""),
            "fault": fault,
            "fits": fits,
        }
        return Page("end.html", values)

    async def move(self, request: PageRequest) -> ActionDone:
        """Give an auction that is not out yet the end that was shown."""
        external_id = _external_id(request)
        await self._ending.move(request.account_id, external_id, local_time(request.form.get("endAt", "")))
        return self._done(request, Text("Moved."), quote(external_id, safe=""))

    async def add(self, request: PageRequest) -> ActionDone:
        """Let auctions end in another window too."""
        written = window_of(request.form)

        def added(choice: EndChoice) -> EndChoice:
            windows = tuple(dict.fromkeys((*choice.windows, written)))
            if len(windows) > _MOST_WINDOWS:
                raise Refused("CONFLICT", Text("There are {n} windows already: remove one", n=_MOST_WINDOWS))
            return replace(choice, windows=windows)

        return await self._change(request, added)

    async def remove(self, request: PageRequest) -> ActionDone:
        """Let no more auctions be planned into a window."""

        def removed(choice: EndChoice) -> EndChoice:
            left = tuple(each for each in choice.windows if each != request.form.get("window", ""))
            if left == choice.windows:
                raise Refused("NOT_FOUND", Text("There is no such window"))
            return replace(choice, windows=left)

        return await self._change(request, removed)

    async def spread(self, request: PageRequest) -> ActionDone:
        """How close ends may lie, how many fit into a window, and how long auctions may run."""
        wrong: list[FieldError] = []
        spacing = _whole(request.form, "spacing_min", 240, wrong) or 1
        window = _whole(request.form, "per_window", 1000, wrong, optional=True)
        category = _whole(request.form, "per_category", 1000, wrong, optional=True)
        durations = tuple(each for each in range(1, 15) if request.form.get(f"days.{each}"))
        if not durations:
            wrong.append(FieldError("durations", Text("Choose at least one length")))
        raise_if_any(wrong)

        def changed(choice: EndChoice) -> EndChoice:
            refuse_changed(request.form, spread_words(choice, request.language), spread_of(choice))
            return replace(
                choice, spacing_min=spacing, per_window=window, per_category=category, durations=durations
            )

        return await self._change(request, changed)

    async def feed(self, request: PageRequest) -> ActionDone:
        """The calendar's address, made when there is none."""
        api = self._context.api
        token = await self._ending.feed_token(request.account_id, new=partial(secrets.token_urlsafe, 24))
        base = (api.public_url or str(request.http.url.origin())).rstrip("/")
        said = Text(
            "Subscribe to this address in your calendar. Whoever knows it may read when your auctions end."
        )
        done = self._done(request, said, "calendar")
        return replace(done, detail=f"{base}/calendar/{request.account_id}/{token}.ics")

    async def revoke(self, request: PageRequest) -> ActionDone:
        """Let the calendar's address be nobody's."""
        await self._ending.revoke_feed(request.account_id)
        return self._done(request, Text("The calendar's old address shows nothing any more"), "calendar")

    async def _change(self, request: PageRequest, change: Callable[[EndChoice], EndChoice]) -> ActionDone:
        given = await self._ending.change(change)
        said = Text("It holds for what is planned from now on; what has its place keeps it.")
        return self._done(request, said, f"{len(given.windows)} windows")

    @staticmethod
    def _done(request: PageRequest, said: Text, subject: str) -> ActionDone:
        return ActionDone(said, to=of_account(request, ENDS), subject=subject)


def _external_id(request: PageRequest) -> str:
    external_id, wrong = read_external_id(request.http.raw_path, segment=3)
    raise_if_any(wrong)
    return external_id


def _minute(at: int) -> int:
    clock = in_sweden(at)
    return clock.hour * 60 + clock.minute


def _whole(
    form: Mapping[str, str], name: str, most: int, wrong: list[FieldError], *, optional: bool = False
) -> int | None:
    text = form.get(name, "").strip()
    if optional and not text:
        return None
    if text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= most:
        return int(text[:6])
    wrong.append(FieldError(name, Text("Must be a number from {least} to {most}", least=1, most=most)))
    return None
