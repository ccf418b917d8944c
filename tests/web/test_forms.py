"""Forms: once however often they are sent, nothing typed is lost, messages and secrets belong to the request that caused them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from rheod.web.forms import SHOWN_S
from tests.stores import rows
from tests.web.running import PASSWORD, Pages, pages, text_of
from tests.web.stocked import stocked

HOME = "/dashboard/integration"
KEYS = f"{HOME}/keys"
TEMPLATES = Path(__file__).parents[2] / "rheod" / "web" / "templates"


async def names(one: Pages) -> list[str]:
    """The names of all keys."""
    return [key["name"] for key in await rows(one.database, "SELECT name FROM api_keys ORDER BY created_at")]


def secret_of(html: str) -> str:
    """The secret that an answer shows."""
    found = re.search(r'class="secret">([^<]+)<', html)
    assert found is not None, html
    return found.group(1)


async def test_a_form_sent_twice_is_done_once(tmp_path: Path) -> None:
    """One after the other or both at once: one key, and both answers show it; another form makes another key."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        sent = {**(await one.tokens(HOME)), "name": "erp"}
        both = await asyncio.gather(one.post(KEYS, sent), one.post(KEYS, sent))
        later = await one.post(KEYS, sent)
        assert {status for status, _, _ in (*both, later)} == {200}
        assert len({secret_of(html) for _, html, _ in (*both, later)}) == 1
        assert await names(one) == ["erp"]
        await one.send(HOME, KEYS, name="shop")
        assert await names(one) == ["erp", "shop"]


async def test_a_secret_is_in_the_answer_alone_and_not_for_long(tmp_path: Path) -> None:
    """No page shows it later; the same form sent after ten minutes makes no second key and shows no secret."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        sent = {**(await one.tokens(HOME)), "name": "erp"}
        _, html, headers = await one.post(KEYS, sent)
        key = secret_of(html)
        assert headers["Cache-Control"] == "no-store"
        assert key not in (await one.get(HOME))[1]
        one.clock.seconds += SHOWN_S + 1
        status, html, _ = await one.post(KEYS, sent)
        assert (status, key in html, "redan skickat" in html) == (409, False, True)
        assert await names(one) == ["erp"]


@pytest.mark.parametrize("number", [None, "", "1", "00000000.abc"])
async def test_a_form_of_an_earlier_life_is_not_done(tmp_path: Path, number: str | None) -> None:
    """Nobody knows any more whether it was: the page comes back with what was typed, and the next press does it."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        sent = {**(await one.tokens(HOME)), "name": "my erp"}
        sent.pop("once")
        status, html, _ = await one.post(KEYS, sent if number is None else sent | {"once": number})
        assert (status, 'value="my erp"' in html) == (409, True)
        assert await names(one) == []


async def test_a_refused_form_comes_back_with_what_was_typed(tmp_path: Path) -> None:
    """422, the same page, every value kept, the message at its field; passwords are not shown again."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        typed = {"url": "ftp://x.example/y", "description": "the <shop>", "event.item.sold": "on"}
        status, html, _ = await one.send(HOME, f"{HOME}/webhooks", **typed)
        assert status == 422
        assert 'value="ftp://x.example/y" aria-invalid="true"' in html
        assert 'value="the &lt;shop&gt;"' in html
        assert re.search(r'name="event.item.sold" checked', html)
        assert 'id="wrong-url"' in html
        status, html, _ = await one.send(HOME, "/dashboard/password", password="too short")
        assert (status, "too short" in html) == (422, False)


async def test_nothing_typed_is_lost_when_the_session_ends(tmp_path: Path) -> None:
    """The sign-in keeps it; a second press after it sends it, and only that one does anything."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        sent = {**(await one.tokens(HOME)), "name": "my erp"}
        await one.parts.sessions.close_all()
        status, html, _ = await one.post(KEYS, sent, Referer=f"{one.base}{HOME}")
        assert (status, await names(one)) == (401, [])
        given = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', html))
        assert given["f.name"] == "my erp"
        status, html, _ = await one.post("/dashboard/sign-in", {**given, "secret": "wrong"})
        assert (status, 'value="my erp"' in html) == (403, True)
        status, html, _ = await one.post("/dashboard/sign-in", {**given, "secret": admin})
        assert (status, await names(one)) == (200, [])
        again = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', html))
        assert f'action="{KEYS}"' in html
        status, html, _ = await one.post(KEYS, again)
        assert (status, await names(one)) == (200, ["my erp"])


async def test_what_comes_along_to_the_sign_in_leads_nowhere_else(tmp_path: Path) -> None:
    """A made-up address for what was typed is not offered, nor is a form of another site kept."""
    async with pages(tmp_path) as (one, admin):
        fields = {"secret": admin, "kept.action": "https://evil.example/x", "f.a": "b"}
        status, _, headers = await one.post("/dashboard/sign-in", fields)
        assert (status, headers["Location"]) == (303, "/dashboard")
        await one.parts.sessions.close_all()
        status, html, _ = await one.post(KEYS, {"name": "x"}, Origin="https://evil.example")
        assert (status, html) == (303, "")


async def test_a_message_belongs_to_its_request(tmp_path: Path) -> None:
    """Another tab of the same session shows nothing of it; a reload shows it again, another session never."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, _, headers = await one.pages.send("/dashboard/items/D-1", "/dashboard/items/D-1/end")
        assert "outcome" not in (await one.pages.get("/dashboard"))[1]
        for _ in range(2):
            assert "Artikeln är nedtagen" in (await one.pages.get(headers["Location"]))[1]
        await one.pages.sign_in(one.token)
        assert 'class="outcome' not in (await one.pages.get(headers["Location"]))[1]


async def test_the_password_is_changed_by_who_knows_it(tmp_path: Path) -> None:
    """Who finds an open page does not: the old one or the admin token is asked for, and guessing is slowed down."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        await one.send(HOME, "/dashboard/password", password=PASSWORD)
        await one.sign_in(PASSWORD)
        for given, expected in (("", 422), ("wrong", 422), (admin, 303)):
            status, _, _ = await one.send(HOME, "/dashboard/password", password=PASSWORD + "2", current=given)
            assert status == expected
        await one.sign_in(PASSWORD + "2")
        found = [
            (await one.send(HOME, "/dashboard/password", password=PASSWORD, current="wrong"))[0]
            for _ in range(7)
        ]
        assert found[-1] == 429
        assert await one.sign_in(PASSWORD + "2") == 303


async def test_the_sign_in_says_how_to_get_in(tmp_path: Path) -> None:
    """By the command that makes a password, not by the one that voids the admin token of programs."""
    async with pages(tmp_path) as (one, admin):
        assert "sudo rheod password" in (await one.get("/dashboard/sign-in"))[1]
        await one.sign_in(admin)
        _, _, headers = await one.send("/dashboard/more", "/dashboard/sign-out")
        assert "Utloggad" in text_of((await one.get(headers["Location"]))[1])


def test_every_form_that_is_sent_has_a_number_of_its_own() -> None:
    """And what cannot be undone stands behind a fold: no such button is the first thing a finger meets."""
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text()
        forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, flags=re.DOTALL)
        for form in forms:
            wanted = "parts.token()" in form or 'name="once"' in form or "token()" in form
            assert wanted or "/dashboard/sign-in" in form, (path.name, form)
        if path.name == "many.html":
            continue  # that page is the second step itself: it names the things, and how many they are
        outside = re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
        outside = re.sub(
            r"<form[^>]*method=\"get\".*?</form>", "", outside, flags=re.DOTALL
        )  # leads to that step
        assert "danger" not in re.sub(r"{% macro sure.*?endmacro %}", "", outside, flags=re.DOTALL), path.name
