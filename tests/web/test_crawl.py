"""A reader walks over every page, in every state, in both languages: nothing of the machine's tongue, nothing of the other language.

One shop is filled with something of everything; the walk goes from link to link and looks at what is readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.web.messages import catalogue
from tests.web.stocked import Stocked
from tests.web.walk import NEVER_SHOWN_AGAIN, Form, Read, decided, everything, form_like, shape_of, walked

OTHERS = re.compile(
    "Volvo XC90 2018|Volvo 240 1988|Strålkastare höger till Volvo XC90, xenon, begagnad i gott skick|Dörr vänster fram"
    "|Kopp Rörstrand|Fat utan kategori|Lampa i tvivel|Såld bromsok|Nedtagen spegel|Osåld fälg|Tavla i guldram|Gammal stol"
    "|Fin lampa|Fäste helt|Åke Öberg, Storgatan 7, 123 45 Ängelholm|affär|the server answered 404|Tradera gave no answer"
    r"|Must be an HTTPS URL|no price|Hem > \S+(?: hem)?|Övrigt hem|Koppar|\bSkick\b|Gott skick|\bNytt\\b"
    r"|No Tradera category for domain other: set tradera\.categoryId on the item"
)
"""What others wrote: titles, a buyer, the name of a key, and sentences as an earlier version kept them."""
MACHINE = re.compile(
    r"\b[a-z]+_[a-z_]+\b|\b[A-Z]{2,}_[A-Z_]+\b|\b[a-z]+(?:[A-Z][a-z]+)+\b|\{\w*\}|\b(?:True|False|NULL)\b|^None$"
    r"|\b(?:item|items|listing|order|sale|webhooks?|tradera|push|server|storage|limits|retention)\.[a-z_]{3,}\b|HTTP \d{3}|\b[45]\d\d\b(?= |$)(?!\s?kr)"
)
"""Slugs, codes, names of fields and settings, a place that was not filled, an answer's status."""
SWEDISH = re.compile(r"[åäöÅÄÖ]|\b(?:och|inte|är|som|för|till|av|det|den|ett|på|med|från)\b")
ENGLISH = re.compile(
    r"\b(?:the|of|and|is|are|not|with|from|this|it|its|to|at|for|by|your|you|which|what|was|has|have|be|yet|how|when|where|there)\b",
    re.IGNORECASE,
)


LEAST_PAGES, LEAST_REFUSED = 70, 12


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
        if OTHERS.fullmatch(words):
            continue
        if MACHINE.search(bare):
            yield f"of the machine: {words}"
        if words in other or foreign.search(bare):
            yield f"of the other language: {words}"


async def refused(one: Stocked, form: Form, language: str, wrong: str) -> tuple[dict[str, str], str] | None:
    """What was typed into a form with `wrong` in every field, and the page that it is refused with; None where it is not."""
    typed = {
        name: wrong
        for name, kind in form.typed.items()
        if kind not in CHOSEN and name not in NEVER_SHOWN_AGAIN
    }
    if not typed:
        return None
    kept = {name: value for name, value in form.fields.items() if form.typed.get(name) != "checkbox"}
    once = f"{form.fields['once'].partition('.')[0]}.{len(wrong)}{language}{shape_of(form.action)}"
    press = form.presses[-1]
    status, html, _ = await one.pages.post(
        form.action,
        {**kept, **typed, press.name or "-": press.value, "once": once},
        Referer=f"{one.pages.base}{form.page}",
        **{"Accept-Language": language},
    )
    assert status in {200, 303, 404, 409, 422}, (form.action, status)
    return (typed, html) if status == VALIDATION_FAILED else None


def lost_of(typed: dict[str, str], html: str, read: Read, form: Form) -> Iterator[str]:
    """What a refused form does not do: keep what was typed, and say at a field what is wrong with it."""
    again = form_like(read, form)
    if again is None:
        yield f"the form is not on the page that refuses it, sent from {form.page}"
        return
    lost = [
        name for name, value in typed.items() if name not in SEARCHES and again.fields.get(name, "") != value
    ]
    if lost:
        yield f"what was typed is lost: {lost}"
    if not re.search(r'aria-invalid="true" aria-describedby="(wrong-[^"]+)"(?s:.*) id="\1"', html):
        yield "no message at a field"


CHOSEN = {"select", "radio", "checkbox"}
SEARCHES = {"q", "words", "item"}
"""Fields that only look something up; `item` is what a preview is of."""
JUNK = "§ 1,,2"
VALIDATION_FAILED = 422


async def test_every_page_speaks_the_readers_language_alone(tmp_path: Path) -> None:
    """In Swedish and in English, for the owner's account and a member's, also where a form is refused: slugs, codes and names of fields stand nowhere.

    Nor words of the other language, a place that was not filled, an inline style, a field without a label. A refused form keeps what was typed.
    """
    found, refusing = set[str](), set[str]()
    async with everything(tmp_path) as one:
        for language in ("sv", "en"):
            other = of_the_other(language)
            for path in UNDECIDED:
                read = Read.of((await one.pages.get(path, **{"Accept-Language": language}))[1], path)
                found |= {f"{path}: {each}" for each in (*amiss(read, language, other), *read.faults)}
        await decided(one)
        for language in ("sv", "en"):
            other, pages, forms = of_the_other(language), 0, dict[str, Form]()
            async for path, read in walked(one, language):
                pages += 1
                place = urlsplit(path).path
                found |= {f"{place}: {each}" for each in (*amiss(read, language, other), *read.faults)}
                forms |= {shape_of(each.action): each for each in read.forms if each.is_sent and each.typed}
            assert pages > LEAST_PAGES
            for wrong, (place, form) in product(("", JUNK), forms.items()):
                if (answer := await refused(one, form, language, wrong)) is not None:
                    refusing.add(place)
                    read = Read.of(answer[1], place)
                    faults = (*amiss(read, language, other), *read.faults, *lost_of(*answer, read, form))
                    found |= {f"{place} refused: {each}" for each in faults}
    assert not found, "\n".join(sorted(found))
    assert len(refusing) >= LEAST_REFUSED, refusing


UNDECIDED = ("/dashboard/new", "/dashboard/ads", "/dashboard/ads/categories", "/dashboard/ads/stock")
"""Pages that look otherwise as long as Tradera's categories are not read."""


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
    read = Read.of(html)
    assert list(amiss(read, "sv", of_the_other("sv")))[:1] == ([said] if said else [])
