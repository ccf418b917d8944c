"""Every form of every page, as a browser without a script sends it: twice is once, and an older page replaces nothing unsaid."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
from pathlib import Path

from rheod.web.dashboard import Dashboard
from tests.stores import rows
from tests.web.running import SEE_OTHER, text_of
from tests.web.stocked import Stocked
from tests.web.test_crawl import amiss, of_the_other
from tests.web.walk import Form, Press, Read, decided, everything, form_like, path_of, shape_of, walked

TYPED = {
    "title": "Backspegel",
    "price": "350",
    "url": "https://other.example/hook",
    "name": "kassa",
    "number": "SE123",
    "other": "Budet",
    "since": "2026-05-01T10:00",
    "endAt": "2026-06-07T20:00",
    "words": "spegel",
    "text": "Hylla {metadata.shelf}",
    "category": "10",
    "attr.10.7": "Nytt",
    "day.2": "1",
    "begins": "19:00",
    "ends": "21:00",
    "spacing_min": "5",
    "floor": "400",
    "floor_of": "kr",
    "reason": "unpaid",
    "refunded": "1",
    "password": "test-password-456",
    "user": "seller1",
}
"""What is typed into fields of these names; others stay as they are."""
UNTRIED = {
    "/dashboard/new/draft": "sent by the script while one types",
    "/dashboard/items/{externalId}/edit-draft": "the same",
    "/dashboard/sign-in": "has no session to send it twice in",
    "/dashboard/tradera/accept": "comes from Tradera's own page",
    "/dashboard/tradera/connect": "asks Tradera, as the next ones do",
    "/dashboard/tradera/finish": "",
    "/dashboard/tradera/forget": "",
    "/dashboard/tradera/read": "",
    "/dashboard/integration/webhooks/{endpoint_id}/test": "asks a receiver",
    "/dashboard/alarms/test": "asks a receiver of alarms",
}
ELSEWHERE = {"sessions", "audit", "drafts"}
"""Tables that tell of the visitor, not of the shop."""


def routes(one: Stocked) -> dict[str, re.Pattern[str]]:
    """The addresses that take a form, each with what matches it."""
    found = {}
    for method, path, _ in Dashboard(context=one.pages.parts).routes():
        if method == "POST" and not path.endswith("/look"):
            plain = re.sub(
                r"\{\w+:((?:[^{}]|\{[^}]*\})+)\}|\{\w+\}", lambda m: f"(?:{m[1] or '[^/]+'})", path
            )
            found[re.sub(r"\{(\w+):(?:[^{}]|\{[^}]*\})+\}", r"{\1}", path)] = re.compile(plain)
    return found


class ToPress:
    """Forms that are still to be sent, one for each button of each address; what a press shows adds to them."""

    def __init__(self, one: Stocked) -> None:
        self.routes = routes(one)
        self._known: set[tuple[str, str, str]] = set()
        self._waiting: list[tuple[str, Form, Press]] = []

    def see(self, read: Read) -> None:
        """Note the forms of a page."""
        for form in (each for each in read.forms if each.is_sent):
            for press in form.presses:
                path = path_of(press.action)
                route = next(
                    (name for name, match in self.routes.items() if match.fullmatch(path)), shape_of(path)
                )
                key = route, press.name, press.value if press.name == "do" else ""
                if key not in self._known:
                    self._known.add(key)
                    self._waiting.append((route, form, press))

    def pop(self) -> tuple[str, Form, Press] | None:
        """The next one, those that take something away last."""

        def rank(each: tuple[str, Form, Press]) -> int:
            return next((n for n, end in enumerate(LAST, 1) if each[0].endswith(end)), 0)

        first = min(self._waiting, key=rank, default=None)
        if first is not None:
            self._waiting.remove(first)
        return first


LAST = (
    "/clear",
    "/done",
    "/end",
    "/sold",
    "/reverse",
    "/remove",
    "/revoke",
    "/settle",
    "/password",
    "/sign-out",
)
"""Ends of addresses that take something away, in the order in which they leave most for those after them."""


def filled(form: Form, press: Press, event: str) -> dict[str, str]:
    """What is sent: what stands in the form, what is typed, and the button."""
    typed = {name: TYPED.get(name, form.fields.get(name, "")) for name in form.typed}
    if {"q", "words"} & typed.keys():
        typed |= {"category": "10", "attr.10.7": "Nytt"}
    if "event" in typed:
        typed["event"] = event
    if form.fields.get("url"):
        typed["url"] = form.fields["url"]
    return {**form.fields, **typed} | ({press.name: press.value} if press.name else {})


async def state(one: Stocked) -> str:
    """A digest of everything that is stored about the shop."""

    def read(db: sqlite3.Connection) -> str:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        digest = hashlib.sha256()
        for name in names:
            if name not in ELSEWHERE:
                for row in db.execute(f"SELECT * FROM {name}"):  # noqa: S608 - the schema's own names
                    digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()

    return await one.pages.database.read(read)


async def done(one: Stocked) -> int:
    """How many of the owner's actions were carried out."""
    [found] = await rows(one.pages.database, "SELECT COUNT(*) AS n FROM audit")
    return int(found["n"])


async def test_every_form_sent_twice_is_done_once(tmp_path: Path) -> None:
    """Each button of each page, pressed twice at once and a third time after it: one action, one change, one answer."""
    carried_out = set[str]()
    async with everything(tmp_path) as one:
        await decided(one)
        await one.pages.sign_in(one.token)
        to_press, token = ToPress(one), dict[str, str]()
        async for _, read in walked(one, "sv"):
            to_press.see(read)
        [event] = await rows(one.pages.database, "SELECT event_id AS id FROM notices LIMIT 1")
        while (next_one := to_press.pop()) is not None:
            route, form, press = next_one
            if route in UNTRIED:
                continue
            sent = filled(form, press, event["id"]) | token
            sent["once"] += f".{press.value}"
            before = await done(one)
            both = await asyncio.gather(*(one.pages.post(press.action, sent) for _ in range(2)))
            after, count = await state(one), await done(one)
            third = await one.pages.post(press.action, sent)
            assert {status for status, _, _ in (*both, third)} <= {200, 303, 404, 409, 422, 503}, route
            assert count - before <= 1, f"{route} was done {count - before} times"
            assert (await state(one), await done(one)) == (after, count), f"{route} changes more each time"
            status, html, headers = both[0]
            if status in {200, 303}:
                carried_out.add(route)
            if route.endswith(("/password", "/sign-out")):
                await one.pages.sign_in(one.token)
                token = {"form_token": (await one.pages.tokens("/dashboard/more"))["form_token"]}
            for page in {form.page, headers.get("Location", form.page)} if status == SEE_OTHER else ():
                to_press.see(Read.of((await one.pages.get(page))[1], page))
            to_press.see(Read.of(html, form.page))
        for language in ("sv", "en"):
            _, html, _ = await one.pages.get("/dashboard/log", **{"Accept-Language": language})
            assert not list(amiss(Read.of(html), language, of_the_other(language)))
        left = to_press.routes.keys() - carried_out
        assert left == UNTRIED.keys(), sorted(left)


OLDER = {
    "/dashboard/ends": ("/dashboard/ends/spread", {"spacing_min": "5"}, {"spacing_min": "9"}, "5 minuter"),
    "/dashboard/returns": ("/dashboard/returns/rule", {"floor": "40"}, {"floor": "60"}, "Aldrig under 40"),
    "/dashboard/ads/templates?part=footer": (
        "/dashboard/ads/templates",
        {"text": "Hylla {metadata.shelf}"},
        {"text": "Välkommen"},
        "“Hylla {metadata.shelf}”",
    ),
    "/dashboard/ads/categories/of/art": (
        "/dashboard/ads/categories/of/art",
        {"category": "302571"},
        {"category": "10"},
        "Övrigt hem",
    ),
    "": (
        "",
        {"url": "https://new.example/"},
        {"description": "kassan"},
        "new.example",
    ),
}
"""Forms that replace something whole: page, where it is sent, what one tab and what another one changes, and what is there then; "" is the page of an endpoint."""


async def test_a_form_that_shows_an_older_state_replaces_nothing_unsaid(tmp_path: Path) -> None:
    """The second of two tabs is refused with what the first one has stored and what was typed; sent again it replaces that."""
    async with everything(tmp_path) as one:
        await decided(one)
        [endpoint, *_] = await one.pages.parts.api.endpoints.listing(one.shop.account_id)
        place = f"/dashboard/integration/webhooks/{endpoint.id}"
        for page, (action, one_way, other_way, said) in OLDER.items():
            await _two_tabs(one, (page or place, action or place), (one_way, other_way), said)


async def _two_tabs(
    one: Stocked, places: tuple[str, str], ways: tuple[dict[str, str], dict[str, str]], said: str
) -> None:
    pages, (page, action), (one_way, other_way) = one.pages, places, ways

    async def shown() -> Form:
        read = Read.of((await pages.get(page))[1], page)
        return next(each for each in read.forms if each.is_sent and path_of(each.action) == action)

    first, second = await shown(), await shown()
    status, _, _ = await pages.post(action, first.fields | one_way)
    assert status == SEE_OTHER, page
    before = await state(one)
    status, html, _ = await pages.post(action, second.fields | other_way)
    assert (status, await state(one)) == (409, before), page
    alert = html.partition('role="alert"')[2].partition("</div>")[0]
    assert said in text_of(alert).replace("\N{NO-BREAK SPACE}", " ")
    again = form_like(Read.of(html, page), second)
    assert again is not None, page
    assert other_way.items() <= again.fields.items()
    status, _, _ = await pages.post(action, again.fields)
    assert status == SEE_OTHER, page
    assert await state(one) != before


async def test_a_rule_is_not_moved_in_another_order(tmp_path: Path) -> None:
    """Nor is a template taken away whose words are others by then; what only adds to a list goes beside what another tab has added."""
    async with everything(tmp_path) as one:
        await decided(one)
        pages = one.pages
        read = Read.of((await pages.get("/dashboard/ads/categories"))[1])
        moved = next(each for each in read.forms if each.action.endswith("/2/move"))
        await one.pages.parts.choices.remove_rule(1)
        assert (await pages.post(moved.action, moved.fields))[0] == 409
        address = "/dashboard/ads/templates"
        read = Read.of((await pages.get(f"{address}?part=footer"))[1])
        [removed] = [each for each in read.forms if each.action == f"{address}/remove"]
        kept = next(each for each in read.forms if each.is_sent and each.action == address)
        assert (await pages.post(address, kept.fields | {"text": "Ny"}))[0] == SEE_OTHER
        assert (await pages.post(removed.action, removed.fields))[0] == 409
        windows = [{"day.2": "1"}, {"day.3": "1"}]
        times = {"begins": "19:00", "ends": "21:00"}
        tabs = [await pages.tokens("/dashboard/ends") for _ in windows]
        await asyncio.gather(
            *(
                pages.post("/dashboard/ends/windows", tab | day | times)
                for tab, day in zip(tabs, windows, strict=True)
            )
        )
        choice, _ = await one.pages.parts.api.ending.owners_choice()
        assert {"Wed 19:00-21:00", "Thu 19:00-21:00"} <= set(choice.windows)
