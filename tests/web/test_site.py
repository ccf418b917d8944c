"""What the pages do when something goes wrong inside: a page to read, never the answer a program gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import Text
from tests.web.running import text_of
from tests.web.stocked import Stocked, stocked


async def _break(one: Stocked) -> None:
    """Spoil what is stored, as a bad disk may."""
    await one.shop.database.write(lambda db: db.execute("UPDATE orders SET buyer = '{'"))


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Something went wrong"), ("sv", "Något gick fel")], ids=["en", "sv"]
)
async def test_an_error_nobody_foresaw_is_a_page(tmp_path: Path, language: str, title: str) -> None:
    """In the reader's language, with strict headers, and with the id under which the log tells the rest."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        await _break(one)
        with capture_logs() as lines:
            status, html, headers = await one.pages.get("/dashboard/sales", **{"Accept-Language": language})
        assert (status, headers["Content-Type"]) == (500, "text/html; charset=utf-8")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert f"<h1>{title}</h1>" in html
        assert headers["X-Request-Id"] in text_of(html)
        assert 'rel="stylesheet"' in html
        assert "form" not in html
        assert "no such table" not in html
        assert [line["event"] for line in lines].count("request failed") == 1


async def test_the_id_of_the_request_is_no_markup(tmp_path: Path) -> None:
    """An id that the sender chose comes back as text."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        await _break(one)
        _, html, _ = await one.pages.get("/dashboard/sales", **{"X-Request-Id": "<b>1</b>"})
        assert "&lt;b&gt;1&lt;/b&gt;" in html


async def test_who_has_sent_a_form_is_told_to_look(tmp_path: Path) -> None:
    """Nobody can say how far it came."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        tokens = await one.pages.tokens("/dashboard/sales")
        await _break(one)
        path = "/dashboard/sales/7001/tracking"
        fields = {**tokens, "carrier": "PostNord", "number": "1"}
        status, html, _ = await one.pages.post(path, fields, **{"Accept-Language": "en"})
        assert (status, "look before you send it again" in html) == (500, True)


async def test_the_api_keeps_its_answer(tmp_path: Path) -> None:
    """A program reads JSON, also when the owner's session vouches for it."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        await _break(one)
        status, text, headers = await one.pages.get("/rheod/orders")
        assert (status, headers["Content-Type"]) == (500, "application/json; charset=utf-8")
        assert '"code":"INTERNAL"' in text


async def test_a_refused_button_is_told_in_swedish(tmp_path: Path) -> None:
    """The use case's own sentence, on the page the visitor comes back to."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        html = await one.pages.pressed("/dashboard/sales", "/dashboard/sales/messages/999/put-away")
        assert "Det väntar inget sådant meddelande" in html


async def test_a_form_that_is_too_old_is_a_page(tmp_path: Path) -> None:
    """Loaded before another sign-in, say: a sentence to read, in the site's frame."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        path = "/dashboard/sales/7001/tracking"
        status, html, headers = await one.pages.post(path, {"form_token": "0"})
        assert (status, headers["Content-Type"]) == (400, "text/html; charset=utf-8")
        assert "Formuläret var för gammalt" in html


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("sv", "Ingen bild kunde användas: inget svar i tid"),
        ("en", "No picture could be used: no answer in time"),
    ],
)
async def test_what_failed_last_is_told_in_the_readers_language(
    tmp_path: Path, language: str, sentence: str
) -> None:
    """On the item's page and in the list, though it was stored for nobody in particular."""
    async with stocked(tmp_path) as one:
        why = Text("No picture could be used: {why}", why=Text("no answer in time"))
        await one.shop.database.write(lambda db: db.execute("UPDATE items SET last_error = ?", (why,)))
        await one.pages.sign_in(one.token)
        for path in ("/dashboard/items", "/dashboard/items/F-1"):
            assert sentence in (await one.pages.get(path, **{"Accept-Language": language}))[1], path


async def test_what_an_earlier_version_stored_is_recognised_or_shown_as_it_is(tmp_path: Path) -> None:
    """It kept whole English sentences; of ours a reader of Swedish reads Swedish, with the values that stood in them."""
    async with stocked(tmp_path) as one:
        await one.shop.database.write(
            lambda db: db.execute("UPDATE items SET last_error = 'No picture could be used: {of} two'")
        )
        await one.pages.sign_in(one.token)
        assert "Ingen bild kunde användas: {of} two" in (await one.pages.get("/dashboard/items/F-1"))[1]
        await one.shop.database.write(
            lambda db: db.execute("UPDATE items SET last_error = 'Set {of} two, as nobody says now'")
        )
        assert "Set {of} two, as nobody says now" in (await one.pages.get("/dashboard/items/F-1"))[1]


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/", "/dashboard"),
        ("/dashboard/", "/dashboard"),
        ("/dashboard/items/?q=a", "/dashboard/items?q=a"),
        ("/dashboard/items/D-1///", "/dashboard/items/D-1"),
        ("/dashboard/nowhere", "/dashboard/sign-in?next=%2Fdashboard%2Fnowhere"),
    ],
)
async def test_the_bare_address_and_a_slash_too_many_lead_on(tmp_path: Path, path: str, to: str) -> None:
    """To the page that is meant; an address that is none is told to nobody but who is signed in."""
    async with stocked(tmp_path) as one:
        status, _, headers = await one.pages.get(path)
        assert (status, headers["Location"]) == (303, to)


async def test_an_address_that_is_none_is_a_page_with_search(tmp_path: Path) -> None:
    """In the frame, so that one finds on; so is an item that there is not."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        for path in ("/dashboard/nowhere", "/dashboard/items/nobody", "/dashboard/items/D-1/publish"):
            status, html, _ = await one.pages.get(path, **{"Accept-Language": "en"})
            assert (status, 'role="search"' in html.partition("<main")[2]) == (404, True)
            assert "<h1>Not found</h1>" in html
            assert 'aria-current="page"' in html
