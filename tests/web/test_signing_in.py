"""The sign-in: who gets in, how guessing is slowed down, and that no other site can act in the owner's name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rheod.web.signing_in import MAX_JUDGED, Throttle
from tests.stores import rows
from tests.web.running import PASSWORD, pages, text_of


async def test_a_stranger_is_sent_to_the_sign_in_and_comes_back(tmp_path: Path) -> None:
    """Without a session every page leads to the form, which remembers where one wanted to go."""
    async with pages(tmp_path) as (one, admin):
        status, _, headers = await one.get("/dashboard?account=")
        assert (status, headers["Location"]) == (303, "/dashboard/sign-in?next=%2Fdashboard%3Faccount%3D")
        status, _, headers = await one.post(
            "/dashboard/sign-in", {"secret": admin, "next": "/dashboard?account="}
        )
        assert (status, headers["Location"]) == (303, "/dashboard?account=")
        status, text, _ = await one.get("/dashboard")
        assert status == 200
        assert "Inget behöver dig" in text_of(text)


async def test_the_cookie_is_out_of_reach(tmp_path: Path) -> None:
    """HttpOnly, SameSite=Strict, Secure under HTTPS; the store holds only its digest."""
    async with pages(tmp_path, trusted_proxies=["127.0.0.0/8"]) as (one, admin):
        _, _, headers = await one.post(
            "/dashboard/sign-in", {"secret": admin}, **{"X-Forwarded-Proto": "https"}
        )
        cookie = headers["Set-Cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/"))
        token = cookie.split("=", 1)[1].split(";")[0]
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("rheod.db*"))
        assert token.encode() not in stored


async def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    """After five failures an address waits, also with the right token, and is let in when it has waited."""
    async with pages(tmp_path) as (one, admin):
        assert [await one.sign_in("wrong") for _ in range(5)] == [403] * 5
        assert await one.sign_in(admin) == 429
        one.clock.seconds += 2
        assert await one.sign_in("wrong") == 403
        one.clock.seconds += 3
        assert await one.sign_in(admin) == 429
        one.clock.seconds += 1
        assert await one.sign_in(admin) == 303


async def test_a_password_opens_too_and_setting_it_ends_every_session(tmp_path: Path) -> None:
    """Set once signed in; short ones are refused with a sentence."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        status, text, _ = await one.send("/dashboard/integration", "/dashboard/password", password="short")
        assert (status, text.count("Måste ha minst 12 tecken")) == (422, 2)
        await one.send("/dashboard/integration", "/dashboard/password", password=PASSWORD)
        assert (await one.get("/dashboard"))[0] == 303
        assert await one.sign_in(PASSWORD + "x") == 403
        assert await one.sign_in(PASSWORD) == 303
        actions = await one.parts.audit.latest(limit=10)
        assert [action.action for action in actions] == ["sign in", "set password", "sign in"]
        assert PASSWORD not in str(actions)


async def test_signing_out_ends_the_session(tmp_path: Path) -> None:
    """The cookie is worth nothing afterwards."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        await one.send("/dashboard/more", "/dashboard/sign-out")
        assert (await one.get("/dashboard"))[0] == 303


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "file://"},
    {"Origin": "data:text/html,x"},
    {"Origin": "127.0.0.1"},
    {"Origin": "", "Sec-Fetch-Site": ""},
    {"Origin": "", "Sec-Fetch-Site": "none"},
    {"Origin": "", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
]
"""What a browser may say of a form that no page of ours has sent; "" is a header that is not there."""


@pytest.mark.parametrize(
    ("fields", "headers"),
    [({}, {}), ({"form_token": "0" * 64}, {}), *(({"token": "right"}, each) for each in FOREIGN)],
)
async def test_another_site_cannot_send_a_form(
    tmp_path: Path, fields: dict[str, str], headers: dict[str, str]
) -> None:
    """Without the form's token, or from another origin, nothing happens."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        if fields.pop("token", None):
            _, text, _ = await one.get("/dashboard/more")
            fields["form_token"] = text.split('name="form_token" value="')[1].split('"')[0]
        status, _, _ = await one.post("/dashboard/sign-out", fields, **headers)
        assert status == 400
        assert (await one.get("/dashboard"))[0] == 200


@pytest.mark.parametrize("headers", [*FOREIGN, {"Origin": ""}, {"Sec-Fetch-Site": ""}])
@pytest.mark.parametrize("public_url", [None, "https://parts.example"])
async def test_an_origin_is_ours_or_nobodys(
    tmp_path: Path, headers: dict[str, str], public_url: str | None
) -> None:
    """Also at the sign-in, which anybody reaches: 400 and no fault of ours, with an address in the settings or without."""
    async with pages(tmp_path, public_url=public_url) as (one, admin):
        status, _, _ = await one.post("/dashboard/sign-in", {"secret": admin}, **headers)
        assert status == (400 if headers in FOREIGN else 303)
        status, _, _ = await one.post("/dashboard/sign-in", {"secret": admin}, Origin="https://parts.example")
        assert status == (303 if public_url else 400)


async def test_many_tries_at_once_are_no_faster_than_one_after_the_other(tmp_path: Path) -> None:
    """Of 120 wrong passwords sent together from one address one is judged, and no more than five before it must wait."""
    async with pages(tmp_path) as (one, admin):
        await one.parts.sessions.set_password(PASSWORD)
        found = await asyncio.gather(*(one.sign_in(f"wrong {n}") for n in range(120)))
        assert set(found) == {403, 429}
        assert found.count(403) <= 5
        for _ in range(5):
            await one.sign_in("wrong")
        assert await one.sign_in(admin) == 429
        one.clock.seconds += 3600
        assert await one.sign_in(PASSWORD) == 303


async def test_a_password_that_is_changed_while_it_is_judged_opens_nothing(tmp_path: Path) -> None:
    """The change signs everybody out: the old password's session must not come after that."""
    async with pages(tmp_path) as (one, _admin):
        sessions = one.parts.sessions
        await sessions.set_password(PASSWORD)
        _, opened = await asyncio.gather(
            sessions.set_password("another one, as long"), sessions.sign_in(PASSWORD)
        )
        assert opened is None
        assert await rows(one.database, "SELECT * FROM sessions") == []
        assert await sessions.sign_in("another one, as long") is not None


async def test_many_addresses_wait_for_each_other_and_not_for_ever() -> None:
    """One try is judged at a time, whoever sends it; when many wait, the next is sent away at once."""
    throttle = Throttle(monotonic=lambda: 0.0)
    judging, most = 0, 0

    async def attempt(address: str) -> int:
        nonlocal judging, most
        async with throttle.one_try(address) as wait_s:
            if wait_s == 0:
                judging += 1
                most = max(most, judging)
                await asyncio.sleep(0)
                judging -= 1
            return wait_s

    waits = await asyncio.gather(*(attempt(f"192.0.2.{n}") for n in range(50)))
    assert most == 1
    assert (waits.count(0), waits.count(1)) == (MAX_JUDGED, 50 - MAX_JUDGED)


async def test_who_is_signed_in_may_make_the_owners_calls(tmp_path: Path) -> None:
    """The API takes the session, but not a writing call from another site."""
    async with pages(tmp_path) as (one, admin):
        assert (await one.get("/integration/api-keys"))[0] == 401
        await one.sign_in(admin)
        assert (await one.get("/integration/api-keys"))[0] == 200
        path = "/integration/webhook-settings/rotate-secret"
        assert (await one.post(path, {}, Origin="https://evil.example"))[0] == 400
        assert (await one.get("/integration/api-keys", Origin="null"))[0] == 400
        assert (await one.post(path, {}))[0] == 200


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/dashboard/../../evil", "/\\evil", "/dashboard/sign-in", "x"],
)
async def test_the_way_back_leads_nowhere_else(tmp_path: Path, wanted: str) -> None:
    """`next` is only ever a page of the dashboard."""
    async with pages(tmp_path) as (one, admin):
        _, _, headers = await one.post("/dashboard/sign-in", {"secret": admin, "next": wanted})
        assert headers["Location"].startswith("/dashboard")


async def test_every_page_has_strict_headers(tmp_path: Path) -> None:
    """No script, nothing from elsewhere, no frame around it, not kept."""
    async with pages(tmp_path) as (one, _):
        _, text, headers = await one.get("/dashboard/sign-in")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert "<script" not in text
        assert "style=" not in text


async def test_the_language_is_the_browsers(tmp_path: Path) -> None:
    """Swedish by default and for neighbours, English when asked for."""
    async with pages(tmp_path) as (one, _):
        for wish, word in (("en-GB,sv;q=0.5", "Sign in"), ("nb", "Logga in"), ("fr", "Logga in")):
            _, text, _ = await one.get("/dashboard/sign-in", **{"Accept-Language": wish})
            assert word in text
