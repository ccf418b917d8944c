"""The page Tradera without a browser: what was learned is forgotten in two steps, what is known has its age and is read anew."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rheod.domain.budget import MethodState
from rheod.domain.categories import Category, CategoryTree, LeafAttributes
from rheod.domain.errors import Text
from rheod.store import reference_data
from rheod.store.reference_data import Subject
from tests.stores import NOW_MS, rows
from tests.web.running import text_of
from tests.web.stocked import HOUR_MS, Stocked, stocked

PAGE = "/dashboard/tradera"
ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Stocked]:
    """Signed in; Tradera has refused pictures after 300 calls."""
    async with stocked(tmp_path, learned=MethodState(method="image", ceiling=300)) as one:
        await one.pages.sign_in(one.token)
        yield one


async def test_what_was_learned_is_forgotten_in_two_steps(shop: Stocked) -> None:
    """The limit with the part that is kept; only what was learned can be forgotten; in the shop's words."""
    _, html, _ = await shop.pages.get(PAGE, **ENGLISH)
    assert re.search(r"Send pictures 0 300 learned", text_of(html))
    assert html.count('class="sure"') == 1
    html = await shop.pages.pressed(PAGE, f"{PAGE}/forget", method="image")
    assert "Glömt: Skicka bilder" in text_of(html)
    assert 'class="sure"' not in html
    assert await rows(shop.shop.database, "SELECT 1 FROM method_states") == []
    assert (await shop.pages.send(PAGE, f"{PAGE}/forget", method="nothing"))[0] == 400


async def test_what_is_known_has_its_age_and_is_read_anew(shop: Stocked) -> None:
    """The oldest of the attributes counts; what was not believed is said; one press orders what is in use."""
    assert text_of((await shop.pages.get(PAGE, **ENGLISH))[1]).count("not read yet") == 3

    def keep(db: object) -> None:
        tree = CategoryTree((Category(1, "Hem"),), read_at=NOW_MS - 48 * HOUR_MS)
        reference_data.save_tree(db, tree)  # type: ignore[arg-type]
        for leaf, hours in ((10, 3), (11, 5)):
            reference_data.save_definitions(db, LeafAttributes(leaf, (), NOW_MS - hours * HOUR_MS))  # type: ignore[arg-type]
        reference_data.use_leaf(db, 10, now=NOW_MS)  # type: ignore[arg-type]
        fault = Text("Tradera gave no answer")
        reference_data.save_fault(db, Subject.SHIPPING, 0, fault, now=NOW_MS)  # type: ignore[arg-type]

    await shop.shop.database.write(keep)
    text = text_of((await shop.pages.get(PAGE, **ENGLISH))[1])
    assert "2 days ago" in text
    assert re.search(r"5\s*h ago\) of 2 categories, the oldest", text)
    assert "not read yet Tradera gave no answer" in text
    assert "3 anrop" in text_of(await shop.pages.pressed(PAGE, f"{PAGE}/read"))
    ordered = await rows(
        shop.shop.database, "SELECT subject FROM jobs WHERE kind = 'reference' ORDER BY subject"
    )
    assert [each["subject"] for each in ordered] == ["categories", "definitions:10", "shipping"]
