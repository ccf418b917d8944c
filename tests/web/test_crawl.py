"""A reader walks over every page, in every state, in both languages: nothing of the machine's tongue, nothing of the other language.

One shop is filled with something of everything; the walk goes from link to link and looks at what is readable.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from rheod.domain.errors import Text
from rheod.domain.model import EventType, ItemType
from rheod.health.waiting import Finding
from rheod.usecases.endpoints import NewEndpoint
from tests.health.test_rules import troubles
from tests.stores import NOW_MS
from tests.web.messages import catalogue
from tests.web.stocked import HOUR_MS, WISH, Stocked, stocked
from tests.web.test_today import planned

UNREAD = {"script", "style", "code", "pre", "bdi", "textarea", "svg", "address", "dd"}
"""What holds no words of ours: programs, what others wrote, charts whose figures stand in a table."""
OTHERS = re.compile(
    "Volvo XC90 2018|Volvo 240 1988|Strålkastare höger till Volvo XC90, xenon, begagnad i gott skick|Dörr vänster fram"
    "|Kopp Rörstrand|Fat utan kategori|Lampa i tvivel|Såld bromsok|Nedtagen spegel|Osåld fälg|Tavla i guldram|Gammal stol"
    "|Fin lampa|Fäste helt|Åke Öberg, Storgatan 7, 123 45 Ängelholm|affär|the server answered 404|Tradera gave no answer"
    r"|No Tradera category for domain other: set tradera\.categoryId on the item"
)
"""What others wrote: titles, a buyer, the name of a key, and sentences as an earlier version kept them."""
VOID = {"input", "img", "br", "meta", "link", "hr"}
SHOWN = {"aria-label", "placeholder", "alt", "title", "data-label"}
MACHINE = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\b[A-Z]{2,}_[A-Z_]+\b|\b[a-z]+(?:[A-Z][a-z]+)+\b|\{\w*\}|\b(?:True|False|NULL)\b|^None$"
    r"|\b(?:item|items|listing|order|sale|webhooks?|tradera|push|server|storage|limits|retention)\.[a-z_]{3,}\b|HTTP \d{3}|\b[45]\d\d\b(?= |$)"
)
"""Slugs, codes, names of fields and settings, a place that was not filled, an answer's status."""
FIRST = (
    "/dashboard",
    "/dashboard/new",
    "/dashboard/nowhere",
    "/dashboard/items/D-1/dry-run",
    "/dashboard/sales/pick",
)
SWEDISH = re.compile(r"[åäöÅÄÖ]|\b(?:och|inte|är|som|för|till|av|det|den|ett|på|med|från)\b")
ENGLISH = re.compile(
    r"\b(?:the|of|and|is|are|not|with|from|this|it|its|to|at|for|by|your|you|which|what|was|has|have|be|yet|how|when|where|there)\b",
    re.IGNORECASE,
)


class Read(HTMLParser):
    """The words of a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: set[str] = set()
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that are shown are read too; a fold for the server holds commands."""
        given = {name: value or "" for name, value in attrs}
        hidden = tag in UNREAD or given.get("class") in {"behind", "photo"} or "data-unread" in given
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if not self._is_hidden() and not hidden:
            self.words += [value for name, value in given.items() if name in SHOWN and value]
        if tag not in VOID:
            self._open.append((tag, hidden))

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened by this tag."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """A piece of text between two tags."""
        if data.strip() and not self._is_hidden():
            self.words.append(" ".join(data.split()))

    def _is_hidden(self) -> bool:
        return any(hidden for _, hidden in self._open)


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[Stocked]:
    """A shop with something of everything."""

    async def found() -> list[Finding]:
        return troubles()

    async with stocked(folder, found=found) as one:
        shop, api = one.shop, one.pages.parts.api
        await shop.put("VIN-2", title="Volvo 240 1988", type=ItemType.CONTAINER)
        await shop.put("N-1", title="Nedtagen spegel", tradera=WISH)
        await api.items.change_status(shop.account_id, "N-1", "not_listed")
        await shop.put_live("E-1", title="Osåld fälg", tradera=WISH)
        await shop.database.write(
            lambda db: db.execute("UPDATE items SET tradera_status = 'ended' WHERE external_id = 'E-1'")
        )
        await shop.database.write(
            lambda db: db.execute("UPDATE listings SET ends_at = ? WHERE state = 'live'", (NOW_MS + HOUR_MS,))
        )
        why = Text("No picture could be used: {why}", why=Text("no answer in time"))
        await shop.database.write(
            lambda db: db.execute("UPDATE items SET last_error = ? WHERE last_error IS NOT NULL", (why,))
        )
        await shop.database.write(
            lambda db: db.execute("UPDATE calls SET outcome = ? WHERE outcome <> 'ok'", (why,))
        )
        await planned(one, "E-1")
        await api.keys.create(shop.account_id, "affär")
        await api.endpoints.add(
            shop.account_id, NewEndpoint(url="https://erp.example/hook", event_types=(EventType.ITEM_SOLD,))
        )
        await one.pages.sign_in(one.token)
        await one.pages.pressed("/dashboard/items/D-1", "/dashboard/items/D-1/publish")
        yield one


async def walked(one: Stocked, language: str) -> AsyncIterator[tuple[str, Read]]:
    """Every page that a link leads to; of those that differ by a number alone a few."""
    to_see, seen, shapes = list(FIRST), set[str](), dict[str, int]()
    while to_see:
        path = to_see.pop()
        shape = re.sub(r"=[^&]*|[0-9a-f-]{36}", "", path)
        shapes[shape] = shapes.get(shape, 0) + 1
        if path in seen or shapes[shape] > MOST_OF_A_SHAPE:
            continue
        seen.add(path)
        status, html, headers = await one.pages.get(path, **{"Accept-Language": language})
        assert status in {200, 303, 404}, (path, status)
        if status != 200 or "html" not in headers["Content-Type"]:
            continue
        read = Read()
        read.feed(html)
        yield path, read
        for link in read.links:
            parts = urlsplit(urljoin(path, link))
            if not parts.netloc and parts.path.startswith("/dashboard") and "/static/" not in parts.path:
                to_see.append(parts.path + (f"?{parts.query}" if parts.query else ""))


MOST_OF_A_SHAPE, LEAST_PAGES = 4, 35


def of_the_other(language: str) -> set[str]:
    """Whole messages that only the other language has."""
    both: set[str] = set()
    found: set[str] = set()
    for each in catalogue():
        english = (each.id,) if isinstance(each.id, str) else tuple(each.id)
        swedish = (each.string,) if isinstance(each.string, str) else tuple(each.string or ())
        both |= set(english) if language == "en" else set(swedish)
        found |= set(swedish) if language == "en" else set(english)
    return found - both


def amiss(read: Read, language: str, other: set[str]) -> Iterator[str]:
    """What does not belong on the page."""
    foreign = SWEDISH if language == "en" else ENGLISH
    for words in read.words:
        bare = re.sub(r"https?://\S+|\S+@\S+|`[^`]*`", "", OTHERS.sub("", words))
        if MACHINE.search(bare):
            yield f"of the machine: {words}"
        if words in other or foreign.search(bare):
            yield f"of the other language: {words}"


async def test_every_page_speaks_the_readers_language_alone(tmp_path: Path) -> None:
    """In Swedish and in English: slugs, codes and names of fields stand nowhere, nor words of the other language."""
    found = set[str]()
    async with everything(tmp_path) as one:
        for language in ("sv", "en"):
            other, pages = of_the_other(language), 0
            async for path, read in walked(one, language):
                pages += 1
                found |= {f"{urlsplit(path).path}: {each}" for each in amiss(read, language, other)}
            assert pages > LEAST_PAGES
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<p>sync_error</p>", "of the machine: sync_error"),
        ('<input placeholder="externalId">', "of the machine: externalId"),
        ("<p>HTTP 503</p>", "of the machine: HTTP 503"),
        ("<p>{n} saker</p>", "of the machine: {n} saker"),
        ("<p>Sätt tradera.app_id</p>", "of the machine: Sätt tradera.app_id"),
        ("<b>Search</b>", "of the other language: Search"),
        ("<td>ended by the seller</td>", "of the other language: ended by the seller"),
        ("<p>Slutar i dag <bdi>the_thing</bdi> <code>sync_error</code></p>", None),
    ],
)
def test_the_reader_sees_what_does_not_belong(html: str, said: str | None) -> None:
    """On a Swedish page; what others wrote is not read."""
    read = Read()
    read.feed(html)
    assert list(amiss(read, "sv", of_the_other("sv")))[:1] == ([said] if said else [])
