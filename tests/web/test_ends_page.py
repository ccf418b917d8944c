"""The week of ends and the rule for returns: drawn, told in words, and changed with nothing typed lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from rheod.domain.calendar import SWEDEN, EndChoice, EndPlace, EndWindow
from rheod.domain.errors import Refused
from rheod.domain.model import ListingState
from rheod.domain.relist import BelowReserve, RelistRule, Then
from rheod.store import items
from rheod.usecases import ending, relisting
from rheod.web.charts import week
from rheod.web.ends_page import days_of, local_time, window_of
from rheod.web.language import Language
from rheod.web.returns_page import form_of, read_rule, rule_words
from tests.stores import NOW_MS
from tests.web.running import text_of
from tests.web.stocked import HOUR_MS, Stocked, stocked
from tests.web.test_today import planned

ENGLISH = {"Accept-Language": "en"}
ENDS, RETURNS = "/dashboard/ends", "/dashboard/returns"
RULE = RelistRule(
    enabled=True,
    times=4,
    steps=(0.9, "-10%"),
    round_to=9,
    floor=0.5,
    wait_h=12.5,
    then=Then.TELL,
    below_reserve=BelowReserve.LOWER,
)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Stocked]:
    """Signed in; W/1 is to end in two days, L-1 is up and ends tomorrow."""
    async with stocked(tmp_path) as one:
        waits = await one.shop.listing("W/1")
        place = EndPlace(end_at=NOW_MS + 200 * HOUR_MS, commit_at=NOW_MS + 32 * HOUR_MS, days=7)
        await one.shop.database.write(
            lambda db: items.save_listing(db, replace(waits, end_place=place), now=NOW_MS)
        )
        await one.shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + HOUR_MS,))
        )
        await one.pages.sign_in(one.token)
        yield one


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ({"day.6": "1", "day.0": "1", "begins": "19:00", "ends": "21:30"}, "Mon,Sun 19:00-21:30"),
        ({"day.4": "1", "begins": "9:05", "ends": "00:00"}, "Fri 9:05-24:00"),
    ],
)
def test_a_window_is_read_from_ticks_and_times(typed: dict[str, str], written: str) -> None:
    """Midnight is the end of the day; what is written can be read as a window."""
    assert window_of(typed) == written
    EndWindow.read(written)


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"begins": "19:00", "ends": "21:30"}, {"days"}),
        ({"day.1": "1", "begins": "19:00"}, {"begins"}),
        ({"day.1": "1", "begins": "19:00", "ends": "19:02"}, {"begins"}),
        ({"begins": "25:00", "ends": "19:02"}, {"days", "begins"}),
    ],
)
def test_what_is_no_window_is_told_at_its_fields(typed: dict[str, str], fields: set[str]) -> None:
    """Each that is wrong at once."""
    with pytest.raises(Refused) as told:
        window_of(typed)
    assert {each.field for each in told.value.details} == fields


def test_a_time_is_by_swedish_clocks() -> None:
    """In winter and in summer."""
    for text in ("2026-12-06T20:15", "2026-06-06T20:15"):
        assert local_time(text) == datetime.fromisoformat(text).replace(tzinfo=SWEDEN).timestamp() * 1000
    with pytest.raises(Refused):
        local_time("tomorrow")


@pytest.mark.parametrize("rule", [RULE, RelistRule(), replace(RULE, floor=250.0, round_to=1)])
def test_a_rule_is_the_same_after_its_form(rule: RelistRule) -> None:
    """What the form shows of it, sent as it stands."""
    assert read_rule(form_of(rule)) == rule


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"floor": ""}, {"floor"}),
        ({"floor": "120"}, {"floor"}),
        ({"floor_of": "kr", "floor": "0.5"}, {"floor"}),
        ({"steps": "90, 120"}, {"steps"}),
        ({"steps": " "}, {"steps"}),
        ({"steps": "inf"}, {"steps"}),
        ({"times": "1.5", "wait_h": "x", "stop_after_days": "9999"}, {"times", "wait_h", "stop_after_days"}),
    ],
)
def test_what_is_no_rule_is_told_at_its_fields(changed: dict[str, str], fields: set[str]) -> None:
    """A rule without a floor most of all."""
    with pytest.raises(Refused) as told:
        read_rule(form_of(RULE) | changed)
    assert {each.field for each in told.value.details} == fields


def test_a_rule_is_told_in_words() -> None:
    """Everything that it does, with nothing of how it is written in the settings."""
    said = " ".join(rule_words(RULE, Language("sv", now=lambda: 0)))
    for part in ("högst 4 gånger, 12.5 timmar", "90 % av första priset, 10 % mindre än förut", "slutar på 9"):
        assert part in said
    assert "Aldrig under 50 % av första priset." in said
    assert "sänks till högsta budet" in said
    assert "du får veta det" in said


def test_a_week_has_its_windows_and_its_ends() -> None:
    """Each day with its bands; dots are filled once the ad is up, and titles are text."""
    days = days_of([EndWindow.read("Sun 19:00-21:30")], [], date(2026, 5, 29))
    assert [each.bands for each in days] == [(), (), ((1140, 1290),), (), (), (), ()]
    drawn = str(week("<w>", [("sön", [(0, 1440)], [(600, True, "<b>"), (720, False, "x")])]))
    assert drawn.count('class="window"') == 1
    assert re.findall(r'circle class="([^"]+)" cx="([\d.]+)"', drawn) == [
        ("end", "192.2"),
        ("end planned", "215.0"),
    ]
    assert "&lt;b&gt;" in drawn


async def test_the_week_shows_what_ends_and_what_is_planned(shop: Stocked) -> None:
    """With its table; another week by a link; what is up cannot be moved."""
    _, html, _ = await shop.pages.get(ENDS, **ENGLISH)
    text = text_of(html)
    assert "13:00 Kopp Rörstrand up" in text
    assert "Dörr" not in text
    _, html, _ = await shop.pages.get(f"{ENDS}?week=1", **ENGLISH)
    assert re.search(r"Dörr vänster fram goes out 27 May 20:00 Move", text_of(html))
    for strange in ("x", "-1", "99999999", ""):
        assert (await shop.pages.get(f"{ENDS}?week={strange}"))[0] == 200


async def test_an_end_is_moved_in_two_steps(shop: Stocked) -> None:
    """First what it means, and nothing is done; then it is."""
    of = f"{ENDS}/of/W%2F1"
    _, html, _ = await shop.pages.get(of, **ENGLISH)
    assert "It is planned to end 3 Jun 20:00" in text_of(html)
    sent = {**(await shop.pages.tokens(of)), "endAt": "2026-06-04T21:00"}
    status, html, _ = await shop.pages.post(f"{of}/look", sent, **ENGLISH)
    assert (status, "Then it ends 4 Jun 21:00. It goes out 28 May 21:00." in text_of(html)) == (200, True)
    assert "It runs 7 days. That is in none of the windows." in text_of(html)
    place = (await shop.shop.listing("W/1")).end_place
    assert place is not None
    assert place.moves == 0
    html = await shop.pages.pressed(of, of, endAt="2026-06-04T21:00")
    assert "Flyttad." in text_of(html)
    place = (await shop.shop.listing("W/1")).end_place
    assert place is not None
    assert (place.end_at, place.moves) == (local_time("2026-06-04T21:00"), 1)


async def test_an_end_that_cannot_be_is_told(shop: Stocked) -> None:
    """Too soon, not out any more, nobody's: while looking and when sent, with what was typed."""
    for external_id, typed, status in (
        ("W%2F1", "2026-05-26T13:00", 422),
        ("W%2F1", "soon", 422),
        ("L-1", "2026-06-04T21:00", 409),
    ):
        of = f"{ENDS}/of/{external_id}"
        looked, html, _ = await shop.pages.send(of, f"{of}/look", endAt=typed)
        assert (looked, 'class="error"' in html) == (200, True)
        sent, html, _ = await shop.pages.send(of, of, endAt=typed)
        assert (sent, f'value="{typed}"' in html) == (status, True)
    assert (await shop.pages.get(f"{ENDS}/of/nobody"))[0] == 404


async def test_windows_are_added_spread_and_removed(shop: Stocked) -> None:
    """Each change by itself; a refused one comes back with its ticks."""
    add, spread = f"{ENDS}/windows", f"{ENDS}/spread"
    typed = {"day.6": "1", "begins": "19:00", "ends": "21:30"}
    status, html, _ = await shop.pages.send(ENDS, add, **typed | {"ends": "19:00"})
    assert status == 422
    assert re.search(r'name="day.6" value="1" checked', html)
    await shop.pages.pressed(ENDS, add, **typed)
    status, html, _ = await shop.pages.send(ENDS, spread, spacing_min="0", per_window="x")
    assert (status, html.count('aria-invalid="true"')) == (422, 3)
    await shop.pages.pressed(
        ENDS, spread, **{"spacing_min": "5", "per_window": "20", "days.3": "1", "days.7": "1"}
    )
    choice, _ = await shop.pages.parts.api.ending.owners_choice()
    assert choice == EndChoice(
        windows=("Sun 19:00-21:30",), spacing_min=5, per_window=20, per_category=None, durations=(3, 7)
    )
    _, html, _ = await shop.pages.get(ENDS)
    assert "sön 19:00\N{EN DASH}21:30" in html
    assert "Sun" not in text_of(html)
    await shop.pages.pressed(ENDS, f"{ENDS}/windows/remove", window="Sun 19:00-21:30")
    assert (await shop.pages.parts.api.ending.owners_choice())[0].windows == ()
    assert 'class="outcome bad"' in await shop.pages.pressed(ENDS, f"{ENDS}/windows/remove", window="Sun")


async def test_the_calendars_address_is_made_shown_and_revoked(shop: Stocked) -> None:
    """It opens the calendar until it is revoked; no page shows it by itself."""
    html = await shop.pages.pressed(ENDS, f"{ENDS}/calendar")
    found = re.search(r"https?://[^/<]+(/calendar/[^<]+\.ics)", html)
    assert found is not None
    assert (await shop.pages.get(found[1]))[0] == 200
    _, html, _ = await shop.pages.get(ENDS)
    assert ".ics" not in html
    await shop.pages.pressed(ENDS, f"{ENDS}/calendar/revoke")
    assert (await shop.pages.get(found[1]))[0] == 404


async def test_what_the_settings_say_is_locked(shop: Stocked) -> None:
    """Windows and rule: shown as such, without forms; a form of before is refused."""

    def lock(db: object) -> None:
        ending.note_settings(db, EndChoice(windows=("Sun 19:00-21:30",)), now=NOW_MS)  # type: ignore[arg-type]
        relisting.note_settings(db, RULE)  # type: ignore[arg-type]

    await shop.shop.database.write(lock)
    for path, action in ((ENDS, f"{ENDS}/windows"), (RETURNS, f"{RETURNS}/rule")):
        _, html, _ = await shop.pages.get(path, **ENGLISH)
        assert "from the settings" in text_of(html)
        assert f'action="{action}"' not in html
    typed = {"day.6": "1", "begins": "19:00", "ends": "21:30"}
    assert (await shop.pages.send(ENDS, f"{ENDS}/windows", **typed))[0] == 409
    assert (await shop.pages.send(RETURNS, f"{RETURNS}/rule", **form_of(RULE)))[0] == 409


async def test_the_rule_is_shown_before_it_is_used(shop: Stocked) -> None:
    """A look says what it would do to a price; nothing is kept until it is sent; the days count calls."""
    _, html, _ = await shop.pages.send(RETURNS, f"{RETURNS}/look", **form_of(RULE))
    assert re.search(r"500\s*kr → 449\s*kr → 399\s*kr → 359\s*kr → 319\s*kr", text_of(html))
    assert await shop.pages.parts.api.relisting.owners_rule() == (RelistRule(), False)
    status, html, _ = await shop.pages.send(RETURNS, f"{RETURNS}/rule", **form_of(RULE) | {"floor": ""})
    assert status == 422
    assert 'id="wrong-floor"' in html
    assert re.search(r'<details class="card" open>', html)
    assert "Regeln gäller" in text_of(await shop.pages.pressed(RETURNS, f"{RETURNS}/rule", **form_of(RULE)))
    assert await shop.pages.parts.api.relisting.owners_rule() == (RULE, False)


async def test_the_days_of_returns_count_their_calls(shop: Stocked) -> None:
    """By Swedish days, with what the ads of that day take."""
    await planned(shop, "S-1")
    _, html, _ = await shop.pages.get(RETURNS, **ENGLISH)
    assert re.search(r"Wed 27 May 1 5 \N{EN DASH}", text_of(html))
    assert (await shop.shop.listing("S-1")).state is ListingState.SOLD
