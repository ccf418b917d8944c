"""Rules, kinds of goods and the whole stock on pages: searched for, tried before they are made, decided by a press."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rheod.config.selling import Categories, RuleSettings, TraderaDefaults
from rheod.domain.categories import Category, CategoryTree
from rheod.store import reference_data
from tests.api.running import TRADERA
from tests.web.running import text_of
from tests.web.stocked import Stocked, stocked

ENGLISH = {"Accept-Language": "en"}
HERE = "/dashboard/ads/categories"
TREE = (Category(1, "Hem"), Category(10, "Koppar", 1), Category(11, "Fat", 1), Category(12, "Övrigt hem", 1))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Stocked]:
    """Signed in, with a tree; two cups and a plate wait for an order to be put up."""
    async with stocked(tmp_path) as one:
        await one.shop.database.write(lambda db: reference_data.save_tree(db, CategoryTree(TREE, read_at=1)))
        for external_id, title in (("K-1", "Kopp blå"), ("K-2", "Kopp röd"), ("P-1", "Fat stort")):
            await one.shop.put(external_id, title=title, domain="home_garden")
        await one.pages.sign_in(one.token)
        yield one


async def rules(one: Stocked) -> list[tuple[str, int]]:
    """Words and category of each rule."""
    return [
        (each.rule.words, each.rule.category_id) for each in (await one.pages.parts.choices.shown()).rules
    ]


async def test_a_category_is_found_by_words_within_the_form(shop: Stocked) -> None:
    """Only leaves are offered; what was typed and chosen stays through every search."""
    typed = {"words": "kopp", "q": "hem", "category": "10", "domain": "home_garden"}
    _, html, _ = await shop.pages.send(HERE, f"{HERE}/look", **typed)
    offered = re.findall(r'name="category" value="(\d+)"( checked)?', html)
    assert offered == [("10", " checked"), ("12", "")]
    assert 'value="kopp"' in html
    assert re.search(r'<option value="home_garden" selected>', html)
    _, html, _ = await shop.pages.send(HERE, f"{HERE}/look", q="ingenting")
    assert "Ingen kategori har de orden" in text_of(html)
    assert await rules(shop) == []


async def test_a_rule_is_tried_on_the_stock_before_it_is_made(shop: Stocked) -> None:
    """What it would move is counted and named, and nothing has moved; then it is made, and moves no more."""
    await shop.pages.pressed(f"{HERE}/of/home_garden", f"{HERE}/of/home_garden", category="12")
    typed = {"words": "kopp", "category": "10"}
    _, html, _ = await shop.pages.send(HERE, f"{HERE}/look", **typed, **{"try": "1"})
    text = text_of(html)
    assert "2 artiklar skulle byta kategori." in text
    assert re.search(r"Kopp blå : Hem > Övrigt hem → Hem > Koppar", text)
    assert await rules(shop) == []
    await shop.pages.pressed(HERE, HERE, **typed)
    assert await rules(shop) == [("kopp", 10)]
    _, html, _ = await shop.pages.send(HERE, f"{HERE}/look", **typed, **{"try": "1"})
    assert "0 artiklar skulle byta kategori. Regeln passar 2." in text_of(html)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"category": "10"}, "Say which items the rule is for"),
        ({"words": "kopp"}, "Search for a category and choose it"),
        ({"words": "kopp", "category": "1"}, "which has others below it"),
        ({"words": "kopp", "category": "x"}, "Choose one of those that are shown"),
        ({"key": "shelf", "category": "10"}, "Give both the name and the value"),
    ],
)
async def test_a_rule_that_cannot_be_comes_back_as_it_was_typed(
    shop: Stocked, typed: dict[str, str], said: str
) -> None:
    """422 with the reason at its field; trying it says the same."""
    for action, more, status in ((HERE, {}, 422), (f"{HERE}/look", {"try": "1"}, 200)):
        sent = {**(await shop.pages.tokens(HERE)), **typed, **more}
        answered, html, _ = await shop.pages.post(action, sent, **ENGLISH)
        assert (answered, said in text_of(html)) == (status, True)
        assert all(f'value="{value}"' in html for name, value in typed.items() if name != "category")
    assert await rules(shop) == []


async def test_rules_are_put_in_order_and_removed(shop: Stocked) -> None:
    """The second moves before the first by one press; one goes by two."""
    for words, leaf in (("kopp", "10"), ("fat", "11")):
        await shop.pages.pressed(HERE, HERE, words=words, category=leaf)
    await shop.pages.pressed(HERE, f"{HERE}/rules/2/move", place="1")
    assert await rules(shop) == [("fat", 11), ("kopp", 10)]
    _, html, _ = await shop.pages.get(HERE)
    assert html.count('class="sure"') == 2
    await shop.pages.pressed(HERE, f"{HERE}/rules/2/remove")
    assert await rules(shop) == [("kopp", 10)]
    assert 'class="outcome bad"' in await shop.pages.pressed(HERE, f"{HERE}/rules/2/remove")


async def test_what_is_guessed_is_settled_by_one_press(shop: Stocked) -> None:
    """The check of the stock names what lacks something, and each guess with its two ways to settle it."""
    await shop.pages.pressed(HERE, f"{HERE}/guess", guess="no")
    _, html, _ = await shop.pages.get("/dashboard/ads/stock", **ENGLISH)
    assert "Kopp blå" in text_of(html)
    assert "fits domain Home &amp; Garden" in html
    await shop.pages.pressed(HERE, f"{HERE}/guess", guess="yes")
    await shop.pages.pressed(f"{HERE}/of/home_garden", f"{HERE}/of/home_garden", category="10")
    await shop.pages.pressed(f"{HERE}/of/home_garden", f"{HERE}/of/home_garden/clear")
    assert (await shop.pages.parts.choices.shown()).defaults == ()


async def test_what_the_settings_say_is_locked(tmp_path: Path) -> None:
    """Shown as such, without a form; a form of before is refused."""
    said = Categories(rules=(RuleSettings(category=10, words="kopp"),), guess_category=True)
    own = TRADERA.model_copy(update={"defaults": TraderaDefaults(category_id={"art": 11})})
    async with stocked(tmp_path, settings={"categories": said, "tradera": own}) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(HERE, **ENGLISH)
        assert text_of(html).count("from the settings") == 3
        assert 'id="new"' not in html
        assert "[categories]" in html.split("On the server")[1]
        _, html, _ = await one.pages.get(f"{HERE}/of/art")
        assert 'name="category"' not in html
        assert (await one.pages.get(f"{HERE}/of/nothing"))[0] == 404
        status, _, _ = await one.pages.send(f"{HERE}/of/books", f"{HERE}/guess", guess="no")
        assert status == 409
