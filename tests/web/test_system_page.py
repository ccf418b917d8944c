"""The rooms about rheod itself: the machine and its copies, sessions, alarms and the log; and receivers with their tries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from rheod.domain.errors import Text, Transient
from rheod.domain.event_payloads import rfc3339
from rheod.health.alerts import AlertMessage
from rheod.health.machine import archive
from rheod.store import access, outbox
from rheod.store.access import Alert
from rheod.store.engine.copies import Manifest
from rheod.store.outbox import Attempt
from rheod.usecases.endpoints import NewEndpoint
from tests.health.test_machine import unpacked_to
from tests.stores import NOW_MS
from tests.web.running import PASSWORD, SEE_OTHER, Pages, pages, text_of
from tests.web.stocked import stocked

ENGLISH = {"Accept-Language": "en"}
SYSTEM, ALARMS, LOG = "/dashboard/system", "/dashboard/alarms", "/dashboard/log"


async def read(one: Pages, path: str) -> str:
    """What a reader of English sees of a page."""
    return text_of((await one.get(path, **ENGLISH))[1])


async def test_the_machine_tells_version_room_backup_and_who_is_signed_in(tmp_path: Path) -> None:
    """Nothing of it can be seen by who is not signed in."""
    async with pages(tmp_path) as (one, admin):
        assert (await one.get(SYSTEM))[0] == SEE_OTHER
        await one.sign_in(admin)
        seen = await read(one, SYSTEM)
        assert re.search(r"Room left on the disk \S+ [MG]iB of \S+ [MG]iB", seen)
        assert "Last backup: never" in seen
        assert "Database" in seen
        assert "Sign out everywhere else" not in seen
        more = (await one.get("/dashboard/more"))[1]
        assert all(f'href="{path}"' in more for path in (SYSTEM, ALARMS, LOG))


async def test_a_copy_is_made_fetched_and_counts_when_the_owner_has_it(tmp_path: Path) -> None:
    """One press makes one copy, the link gives all that a restore needs, and only the owner's word makes it the backup."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        sent = await one.tokens(SYSTEM)
        await one.post(f"{SYSTEM}/copies", sent)
        status, _, headers = await one.post(f"{SYSTEM}/copies", sent)
        assert status == SEE_OTHER
        assert headers["Location"].endswith("#backup")
        assert "The copy is made and checked" in await read(one, headers["Location"])
        (copied,) = one.parts.machine.fetchable()
        path = f"{SYSTEM}/copies/{copied.made_at}"
        async with one.session.get(one.base + path) as answer:
            assert answer.headers["Content-Disposition"].startswith('attachment; filename="rheod-')
            assert answer.headers["Cache-Control"] == "no-store"
            fetched = await answer.read()
        assert fetched == b"".join([piece async for piece in archive(copied)])
        folder = unpacked_to(tmp_path / "out", fetched)
        assert Manifest.of(folder).prove(folder).sha256 == copied.contents.sha256
        assert "Last backup: never" in await read(one, SYSTEM)
        await one.send(SYSTEM, f"{path}/kept")
        assert one.parts.machine.fetchable() == []
        assert (await one.parts.machine.state()).backup_at == copied.made_at
        assert (await one.get(path))[0] == SEE_OTHER


async def test_a_copy_is_given_to_nobody_who_is_not_signed_in(tmp_path: Path) -> None:
    """Nor is one made for them: they are sent to the sign-in."""
    async with pages(tmp_path) as (one, _):
        copied = await one.parts.machine.copy()
        status, body, headers = await one.get(f"{SYSTEM}/copies/{copied.made_at}")
        assert (status, body) == (SEE_OTHER, "")
        assert headers["Location"].startswith("/dashboard/sign-in")


async def test_every_other_session_is_ended_by_two_steps(tmp_path: Path) -> None:
    """The one that asks for it stays."""
    async with pages(tmp_path) as (one, admin):
        _, other = await one.parts.sessions.open()
        await one.sign_in(admin)
        html = (await one.get(SYSTEM, **ENGLISH))[1]
        assert re.search(
            r"<summary>Sign out everywhere else …</summary>.*?Sign out the others", html, re.DOTALL
        )
        await one.send(SYSTEM, f"{SYSTEM}/sign-out-others")
        assert one.parts.sessions.find(other) is None
        assert (await one.get(SYSTEM))[0] == 200


async def test_the_password_is_changed_where_the_sessions_are(tmp_path: Path) -> None:
    """With the old one; a wrong word is said on this page."""
    async with pages(tmp_path) as (one, admin):
        await one.parts.sessions.set_password(PASSWORD)
        await one.sign_in(admin)
        status, html, _ = await one.send(SYSTEM, "/dashboard/password", password=PASSWORD + "2", current="x")
        assert (status, 'id="wrong-current"' in html, 'id="backup"' in html) == (422, True, True)


async def test_language_and_theme_are_chosen_for_a_browser(tmp_path: Path) -> None:
    """Until it is left to the browser again; of what is unknown nothing is kept, and another site chooses nothing."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        assert '<html lang="sv">' in (await one.get(SYSTEM))[1]
        await one.send(SYSTEM, f"{SYSTEM}/looks", language="en", theme="dark")
        assert '<html lang="en" data-theme="dark">' in (await one.get("/dashboard"))[1]
        assert (await one.post(f"{SYSTEM}/looks", {"language": "sv"}, Origin="https://x.example"))[0] == 400
        assert '<html lang="en"' in (await one.get("/dashboard"))[1]
        await one.send(SYSTEM, f"{SYSTEM}/looks", language="", theme='"><b>')
        assert '<html lang="sv">' in (await one.get("/dashboard"))[1]


async def test_a_diagnosis_is_read_on_a_page(tmp_path: Path) -> None:
    """What `rheod doctor` finds, each with its fix, and what was looked at."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        seen = await read(one, f"{SYSTEM}/doctor")
        assert re.search(r"\d things? needs? you|All is well", seen)
        assert "Tradera was not called" in seen
        report = await one.parts.machine.examine()
        assert all(str(each["text"]) in seen for each in report["findings"])


@dataclass
class Phone:
    """A way to the owner, which may be out of reach."""

    away: bool = False
    heard: list[AlertMessage] = field(default_factory=list)
    where = Text("The program {name}", name="ring")

    async def tell(self, message: AlertMessage) -> None:
        """Hear it, or not."""
        if self.away:
            raise Transient(Text("out of reach"))
        self.heard.append(message)


async def test_a_test_goes_every_way_and_says_which_did_not_take_it(tmp_path: Path) -> None:
    """A second press of the same form rings nobody again."""
    well, ill = Phone(), Phone(away=True)
    async with pages(tmp_path, notifiers=[well, ill]) as (one, admin):
        await one.sign_in(admin)
        assert (await read(one, ALARMS)).count("The program ring") == 2
        sent = await one.tokens(ALARMS)
        await one.post(f"{ALARMS}/test", sent)
        _, _, headers = await one.post(f"{ALARMS}/test", sent)
        assert "out of reach" in await read(one, headers["Location"])
        assert (len(well.heard), len(ill.heard)) == (1, 0)
        ill.away = False
        assert 'class="outcome"' in await one.pressed(ALARMS, f"{ALARMS}/test")
        told = Alert(key="k", text=Text("The disk is full"), since=NOW_MS, told_at=NOW_MS)
        await one.database.write(lambda db: access.save(db, told))
        assert "The disk is full" in await read(one, ALARMS)


async def test_without_a_way_nothing_is_sent_and_the_page_says_so(tmp_path: Path) -> None:
    """The pages alone tell of it."""
    async with pages(tmp_path) as (one, admin):
        await one.sign_in(admin)
        assert "Nowhere" in await read(one, ALARMS)
        assert (await one.send(SYSTEM, f"{ALARMS}/test"))[0] == 409


async def test_the_log_tells_who_did_what_to_which_item(tmp_path: Path) -> None:
    """The owner's actions between what happened, the newest first, each with its item; older ones on further pages."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        await one.pages.send(SYSTEM, f"{SYSTEM}/copies")
        html = (await one.pages.get(LOG, **ENGLISH))[1]
        seen = text_of(html)
        assert "Made a copy of everything" in seen
        assert "you, from 127.0.0.1" in seen
        assert re.search(r"Taken in (.*? )?S-1 ERP or these pages", seen)
        assert "Tradera" in seen
        times = re.findall(r'<time datetime="([^"]+)">', html)
        assert times == sorted(times, reverse=True)
        shown, path = 0, LOG
        for _ in range(50):
            html = (await one.pages.get(path, **ENGLISH))[1]
            shown += html.count('data-label="When"')
            older = re.search(r'<a class="more" href="([^"]+)">', html)
            if older is None:
                break
            path = older[1].replace("&amp;", "&")
        (events,) = await one.shop.database.read(
            lambda db: db.execute(
                "SELECT count(*) FROM notices WHERE account_id = ?", (one.shop.account_id,)
            ).fetchall()
        )
        (actions,) = await one.shop.database.read(
            lambda db: db.execute("SELECT count(*) FROM audit").fetchall()
        )
        assert shown == events[0] + actions[0]


async def test_a_receiver_shows_its_last_tries_what_waits_and_its_last_error(tmp_path: Path) -> None:
    """A tick for each try, the oldest first; a test and a pause stand beside it."""
    async with stocked(tmp_path) as one:
        account = one.shop.account_id
        made = await one.pages.parts.api.endpoints.add(account, NewEndpoint(url="https://erp.example/hook"))
        await one.shop.put("T-1", title="Kopp")
        (seq,) = await one.shop.database.read(
            lambda db: db.execute("SELECT max(seq) FROM notices").fetchone()
        )
        tried = Attempt(
            endpoint_id=made.id,
            notice_seq=seq,
            url="https://erp.example/hook",
            attempt=1,
            ok=True,
            http_status=200,
            error=None,
            snippet=None,
            duration_ms=5,
        )
        for number in range(35):
            each = tried if number % 7 else replace(tried, ok=False, http_status=500, error="HTTP 500")
            await one.shop.database.write(lambda db, each=each: outbox.log_attempt(db, each, now=NOW_MS))  # type: ignore[misc]
        await one.pages.sign_in(one.token)
        html = (await one.pages.get("/dashboard/integration", **ENGLISH))[1]
        ticks = re.search(r'<p class="ticks"[^>]*>(.*?)</p>', html)
        assert ticks is not None
        assert (ticks[1].count("<i"), ticks[1].count('class="bad"')) == (30, 4)
        assert "26 of the last 30 tries were taken" in text_of(html)
        assert "1 event waits" in text_of(html)
        assert f"{made.id}/test" in html
        assert f"{made.id}/disable" in html
        log = (await one.pages.get("/dashboard/integration/deliveries", **ENGLISH))[1]
        assert re.search(r'data-label="To">erp\.example<', log)
        assert rfc3339(NOW_MS)[:10] in log
