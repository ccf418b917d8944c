"""The form of a new item without a script: kept as typed, refused with everything in it, made once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from rheod.domain.categories import AttributeDefinition, Category, CategoryTree, LeafAttributes
from rheod.domain.model import RelistWish
from rheod.store import reference_data
from tests.pictures.picture_shop import picture
from tests.stores import rows
from tests.web.running import Pages, pages, text_of

NEW = "/dashboard/new"
TREE = (
    Category(1, "Fordon"),
    Category(10, "Backspeglar", 1),
    Category(11, "Bromsar", 1),
    Category(12, "Övrigt", 1),
)
SKICK = AttributeDefinition(id=7, name="Skick", min_values=1, terms=("Nytt", "Gott skick"))
SIDE = AttributeDefinition(id=8, name="Sida", max_values=2, terms=("Höger", "Vänster"))
TYPED = {"title": "Backspegel höger Volvo V70", "price": "350", "category": "10", "attr.10.7": "Gott skick"}
PHOTO = picture(size=(640, 480))
OTHER = picture(size=(500, 480))


@dataclass
class Form:
    """The form in a browser without a script, by somebody signed in."""

    pages: Pages
    token: str

    async def send(
        self, files: tuple[bytes, ...] = (), /, page: str = NEW, **fields: str
    ) -> tuple[int, str, Any]:
        """Load the form, and send it with these fields over what stands in it."""
        shown = await self.fields(page)
        return await self.pages.post_files(NEW, {**shown, **fields}, files)

    async def fields(self, page: str = NEW) -> dict[str, str]:
        """What the form would send as it is shown."""
        return fields_of((await self.pages.get(page))[1])

    async def item(self, external_id: str) -> dict[str, Any]:
        """The row of an item, and its spec."""
        found = await rows(self.pages.database, "SELECT * FROM items WHERE external_id = ?", external_id)
        return found[0]


def fields_of(html: str) -> dict[str, str]:
    """What the form of an item would send as this page shows it."""
    form = html[html.index('<form class="item-form"') :]
    found = {}
    for tag in re.findall(r"<input [^>]*>", form):
        given = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
        kind, name = given.get("type", "text"), given.get("name")
        if name and kind != "file" and (kind not in {"radio", "checkbox"} or " checked" in tag):
            found[name] = unescape(given.get("value", ""))
    for name, text in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>([^<]*)', form):
        found[name] = unescape(text)
    for name, options in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r"<option(?: value=\"([^\"]*)\")? selected>([^<]*)", options)
        found[name] = "" if chosen is None else unescape(chosen[2] if chosen[1] is None else chosen[1])
    return found


@pytest.fixture
async def form(tmp_path: Path) -> AsyncIterator[Form]:
    """With a small tree of categories."""
    async with pages(tmp_path) as (one, token):
        await one.sign_in(token)

        def fill(db: Any) -> None:
            reference_data.save_tree(db, CategoryTree(TREE, read_at=1))
            reference_data.save_definitions(db, LeafAttributes(10, (SKICK, SIDE), 1))

        await one.database.write(fill)
        yield Form(one, token)


async def test_an_item_with_its_pictures_in_one_form(form: Form) -> None:
    """It gets the next free number, goes out at once, and the next one begins with its category."""
    status, _, headers = await form.send((PHOTO, OTHER), **TYPED, do="publish")
    assert (status, headers["Location"].partition("?")[0]) == (303, "/dashboard/items/R-1001")
    shown = (await form.pages.get(headers["Location"]))[1]
    assert "Backspegel höger Volvo V70" in shown
    row = await form.item("R-1001")
    assert (row["tradera_status"], row["price_ore"], row["category_id"]) == ("pending_sync", 35000, 10)
    kept = await rows(form.pages.database, "SELECT state, position FROM pictures ORDER BY position")
    assert kept == [{"state": "ready", "position": 0}, {"state": "ready", "position": 1}]
    assert [each["state"] for each in await rows(form.pages.database, "SELECT * FROM listings")] == ["queued"]
    assert (await form.fields())["category"] == "10"
    _, _, headers = await form.send((PHOTO,), **{**TYPED, "title": "En till"}, do="save")
    assert "/R-1002" in headers["Location"]
    assert (await form.item("R-1002"))["tradera_status"] is None


async def test_what_is_wrong_is_said_at_its_field_and_everything_is_kept(form: Form) -> None:
    """The pictures that were sent too: sent again without them, they are the item's."""
    status, text, _ = await form.send(
        (PHOTO,), title="B", price="tre", description="Fin\nspegel", weight="1,2", do="save"
    )
    assert status == 422
    kept = fields_of(text)
    assert {name: kept[name] for name in ("title", "price", "description", "weight")} == {
        "title": "B",
        "price": "tre",
        "description": "Fin\nspegel",
        "weight": "1,2",
    }
    assert kept["pictures"].startswith("upload:")
    assert 'aria-describedby="wrong-title"' in text
    assert 'aria-describedby="wrong-price"' in text
    status, _, _ = await form.pages.post_files(
        NEW, {**kept, "title": "Backspegel", "price": "300", "do": "save"}, ()
    )
    assert status == 303
    assert len(await rows(form.pages.database, "SELECT 1 FROM pictures")) == 1


async def test_returns_floor_and_reserve_are_said_in_the_form(form: Form) -> None:
    """As a PUT would say them; what cannot be is said at its field and stays in it; the fold says it in a line."""
    more = {"back": "yes", "back_times": "2", "floor": "400", "reserve": "300"}
    status, text, _ = await form.send((PHOTO,), **TYPED, **more, do="save")
    assert status == 422
    assert {name: fields_of(text)[name] for name in more} == more
    for name in ("floor", "reserve"):
        assert f'aria-describedby="wrong-{name}"' in text
    right = {**fields_of(text), "floor": "200", "reserve": "500", "do": "save"}
    status, _, _ = await form.pages.post_files(NEW, right, ())
    assert status == 303
    api = form.pages.parts.api
    wish = (await api.items.read_item(api.default_account, "R-1001")).item.spec.tradera
    assert wish is not None
    assert wish.reserve_ore == 50_000
    assert wish.relist == RelistWish(enabled=True, times=2, floor_kr=200)
    page = (await form.pages.get("/dashboard/items/R-1001/edit", **{"Accept-Language": "en"}))[1]
    assert {name: fields_of(page)[name] for name in more} == {**more, "floor": "200", "reserve": "500"}
    assert "comes back 2 times · at least 200 kr · reserve 500 kr" in text_of(page).replace("\xa0", " ")


async def test_a_return_without_any_floor_is_refused_at_its_field(form: Form) -> None:
    """Nothing would keep the thing from going for a krona."""
    status, text, _ = await form.send((PHOTO,), **TYPED, back="yes", do="save")
    assert status == 422
    assert 'id="wrong-floor"' in text
    assert fields_of(text)["back"] == "yes"


async def test_a_picture_that_cannot_be_used_is_named_and_the_others_are_kept(form: Form) -> None:
    """In the reader's language; nothing is made until it is sent again."""
    heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 64
    status, text, _ = await form.send((PHOTO, heic), **TYPED, do="publish")
    assert status == 422
    assert "HEIC" in text
    assert "den är HEIC, som Tradera" in text_of(text)
    assert fields_of(text)["pictures"].count("upload:") == 1
    assert await rows(form.pages.database, "SELECT 1 FROM items") == []


async def test_what_only_its_maker_can_say_is_asked_before_it_is_published(form: Form) -> None:
    """A required attribute; kept it may be without."""
    given = {**TYPED, "attr.10.7": ""}
    await form.pages.database.write(
        lambda db: reference_data.save_definitions(
            db,
            LeafAttributes(
                10, (AttributeDefinition(id=9, name="Årsmodell", min_values=1, terms=("2005", "2006")),), 2
            ),
        )
    )
    status, text, _ = await form.send(**given, do="publish")
    assert status == 422
    assert "Årsmodell" in text
    status, _, headers = await form.pages.post_files(NEW, {**fields_of(text), "do": "save"}, ())
    assert (status, "/R-1001" in headers["Location"]) == (303, True)


async def test_searching_a_category_keeps_the_form_as_a_draft(form: Form) -> None:
    """Without a script the search is a button: pictures, words and choice come back, the first picture as chosen."""
    status, _, headers = await form.send((PHOTO, OTHER), title="Bromsok", words="broms", do="look")
    assert status == 303
    address = headers["Location"]
    assert address.startswith(f"{NEW}?draft=")
    shown = await form.fields(address)
    first, second = shown["pictures"].split()
    assert (shown["title"], shown["words"]) == ("Bromsok", "broms")
    page = (await form.pages.get(address))[1]
    assert 'value="11"' in page
    assert "Fordon" in page
    _, _, headers = await form.send(page=address, first=second, category="11", do="look")
    shown = await form.fields(headers["Location"])
    assert (shown["pictures"].split(), shown["category"]) == ([second, first], "11")
    _, _, headers = await form.send(page=headers["Location"], **{"drop.0": second}, do="look")
    assert (await form.fields(headers["Location"]))["pictures"] == first
    assert "Bromsok" in text_of((await form.pages.get(NEW))[1])


async def test_a_draft_becomes_one_item_however_often_it_is_sent(form: Form) -> None:
    """Twice the same form, and another page of the same draft: what was made is shown."""
    _, _, headers = await form.send(**TYPED, do="look")
    page = headers["Location"]
    one, two = await form.fields(page), await form.fields(page)
    first = await form.pages.post_files(NEW, {**one, "do": "publish"}, ())
    again = await form.pages.post_files(NEW, {**one, "do": "publish"}, ())
    other = await form.pages.post_files(NEW, {**two, "do": "publish"}, ())
    assert first[2]["Location"] == again[2]["Location"]
    assert other[2]["Location"].startswith("/dashboard/items/R-1001")
    assert len(await rows(form.pages.database, "SELECT 1 FROM items")) == 1
    shown = (await form.pages.get(page))[1]
    assert "/dashboard/items/R-1001" in shown
    assert fields_of(shown)["title"] == ""
    assert fields_of(shown)["draft"] != one["draft"]


async def test_a_number_of_ones_own_is_taken_once(form: Form) -> None:
    """Never an item that is there already: that would be changed by a form that meant another."""
    assert (await form.send(**TYPED, number="HYLLA 4-12", do="save"))[0] == 303
    assert (await form.item("HYLLA 4-12"))["title"] == TYPED["title"]
    status, text, _ = await form.send(**TYPED, number="HYLLA 4-12", do="save")
    assert status == 422
    assert 'aria-describedby="wrong-number"' in text
    for number in ("R\u200b-1", "HYLLA\u00a04-12"):
        status, text, _ = await form.send(**TYPED, number=number, do="save")
        assert (status, 'aria-describedby="wrong-number"' in text) == (422, True)
    assert len(await rows(form.pages.database, "SELECT 1 FROM items")) == 1


async def test_next_free_passes_over_what_the_erp_has_taken(form: Form) -> None:
    """And never gives a number twice."""
    assert (await form.send(**TYPED, number="R-1001", do="save"))[0] == 303
    _, _, headers = await form.send(**TYPED, do="save")
    assert "/R-1002" in headers["Location"]


async def test_a_form_whose_session_has_ended_is_kept_through_the_sign_in(form: Form) -> None:
    """The way in leads back to the form with everything typed; nothing was taken from who was not signed in."""
    fields = await form.fields()
    await form.pages.pressed("/dashboard/more", "/dashboard/sign-out")
    status, text, _ = await form.pages.post_files(NEW, {**fields, **TYPED, "do": "publish"}, (PHOTO,))
    assert status == 401
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
    given = {name: unescape(value) for name, value in hidden}
    assert await rows(form.pages.database, "SELECT 1 FROM uploads") == []
    status, _, headers = await form.pages.post("/dashboard/sign-in", {**given, "secret": form.token})
    assert (status, headers["Location"].startswith(f"{NEW}?draft=")) == (303, True)
    shown = await form.fields(headers["Location"])
    assert (shown["title"], shown["category"], shown["attr.10.7"]) == (TYPED["title"], "10", "Gott skick")
    assert await rows(form.pages.database, "SELECT 1 FROM items") == []


async def test_the_script_keeps_a_draft_and_is_shown_what_follows(form: Form) -> None:
    """The attributes of the chosen leaf, several of one too, and the ad as it would be."""
    fields = await form.fields()
    sent = {**fields, **TYPED, "attr.10.8.1": "Vänster", "description": "Liten repa"}
    status, text, _ = await form.pages.post(f"{NEW}/draft", sent)
    assert status == 200
    assert "Sida" in text
    assert "Liten repa" in text_of(text[text.index('data-part="preview"') :])
    back = await form.fields(f"{NEW}?draft={fields['draft']}")
    assert (back["attr.10.8.1"], back["description"]) == ("Vänster", "Liten repa")
    await form.pages.post_files(NEW, {**back, "do": "save"}, ())
    assert '"8":["Vänster"]' in (await form.item("R-1001"))["spec"].replace(" ", "")


async def test_the_draft_of_a_stranger_or_an_old_form_is_not_kept(form: Form) -> None:
    """Another site's form, one without its token, nobody's session."""
    fields = {**await form.fields(), **TYPED}
    status, _, _ = await form.pages.post(
        f"{NEW}/draft", fields, Origin="https://evil.example", **{"Sec-Fetch-Site": "cross-site"}
    )
    assert status >= 400
    assert (await form.pages.post(f"{NEW}/draft", {**fields, "form_token": "0"}))[0] == 400
    await form.pages.pressed("/dashboard/more", "/dashboard/sign-out")
    assert (await form.pages.post(f"{NEW}/draft", fields))[0] == 401
    assert await rows(form.pages.database, "SELECT 1 FROM drafts") == []


async def test_pictures_of_a_form_that_is_not_ours_are_not_taken(form: Form) -> None:
    """Its token is wrong: read to its end, and nothing kept."""
    fields = {**await form.fields(), **TYPED, "form_token": "0", "do": "save"}
    assert (await form.pages.post_files(NEW, fields, (PHOTO,)))[0] == 400
    assert await rows(form.pages.database, "SELECT 1 FROM uploads") == []


async def test_a_draft_is_thrown_away_or_gone_on_with(form: Form) -> None:
    """The form of a new item names those that were begun."""
    await form.send(title="Påbörjad", do="look")
    shown = (await form.pages.get(NEW))[1]
    assert "Påbörjad" in text_of(shown)
    [draft] = await rows(form.pages.database, "SELECT id FROM drafts")
    await form.pages.pressed(NEW, f"{NEW}/drop", draft=draft["id"])
    assert await rows(form.pages.database, "SELECT 1 FROM drafts") == []
