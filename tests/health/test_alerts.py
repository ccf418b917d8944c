"""Alerts: each finding is told once, its end once, whatever restarts, flaps or cannot be reached in between.

The ways to the owner are a real program, a real HTTP server and a real mail server; and what it means when they fail.
"""

from __future__ import annotations

import email
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rheod.domain.errors import Permanent, Refused, RheodError, StoreUnavailable, Text, Transient, Unanswered
from rheod.health.alerts import (
    Alerter,
    AlertMessage,
    CommandNotifier,
    MailNotifier,
    MailServer,
    Rounds,
    UrlNotifier,
    UrlStyle,
)
from rheod.health.findings import Finding, Mood
from rheod.store.engine.database import Database
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.transaction import Store
from tests.fakes.mail import mailbox
from tests.stores import Clock, fill_disk, make_room
from tests.usecases.selling import Shop, order

BAD = AlertMessage("Tradera refuses the token på konto eget", "What to do.", urgent=True)
LONG = AlertMessage(
    "Kontot på Öland: inget av det publiceras eller efterfrågas förrän någon loggat in på nytt. " * 5,
    "Åtgärd.",
)
BROKEN = AlertMessage("One\r\nTags: two\x00\x1f\u2028three\udc80", "What \udc80 to do.")
SOLD = AlertMessage("Sold: Dörr", "Dörr (A-1) was sold for 950 kr.", sold=True)
OVER = AlertMessage("Over: it", "This is over.", over=True)


@dataclass
class Service:
    """A notification service that keeps what it gets."""

    url: str = ""
    status: int = 200
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Keep and answer."""
        self.got.append((request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """The service on loopback."""
    one = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.take)
    async with TestServer(app) as server:
        one.url = str(server.make_url("/topic"))
        yield one


async def told(service: Service, style: UrlStyle, message: AlertMessage) -> tuple[str, dict[str, str], bytes]:
    """What the service gets of a message."""
    async with aiohttp.ClientSession() as session:
        await UrlNotifier(session=session, url=service.url, style=style).tell(message)
    return service.got[-1]


async def test_ntfy_gets_title_and_priority(service: Service) -> None:
    """Text as body; the title in a header, encoded where it is not ASCII."""
    path, headers, body = await told(service, "ntfy", BAD)
    assert (path, body) == ("/topic", b"What to do.")
    assert headers["Title"].startswith("=?utf-8?")
    assert (headers["Priority"], headers["Tags"]) == ("urgent", "rotating_light")
    assert (await told(service, "ntfy", SOLD))[1]["Tags"] == "moneybag"
    _, headers, _ = await told(service, "ntfy", OVER)
    assert (headers["Title"], headers["Priority"], headers["Tags"]) == (
        "Over: it",
        "default",
        "white_check_mark",
    )


def read(header: str) -> str:
    """An encoded header as its reader shows it."""
    return str(make_header(decode_header(header)))


async def test_a_long_title_arrives_whole(service: Service) -> None:
    """Longer than a line of mail, and not ASCII: ntfy's header stays one line."""
    assert len(LONG.title) > 400
    _, headers, _ = await told(service, "ntfy", LONG)
    assert read(headers["Title"]) == LONG.title
    await told(service, "gotify", LONG)
    assert json.loads(service.got[-1][2])["title"] == LONG.title


async def test_a_title_cannot_add_a_header(service: Service) -> None:
    """Line ends and other control characters become spaces, in the title only."""
    _, headers, body = await told(service, "ntfy", BROKEN)
    assert (headers["Title"], headers["Tags"]) == ("One  Tags: two   three", "warning")
    assert body == b"What ? to do."


async def test_a_url_that_cannot_be_asked_is_said() -> None:
    """Not an error of rheod's own: the alerter goes on."""
    async with aiohttp.ClientSession() as session:
        for url in ("http://[::1", "nothing", f"http://{'a' * 64}.invalid/"):
            with pytest.raises(Transient, match=r"alerts\.url"):
                await UrlNotifier(session=session, url=url, style="ntfy").tell(BAD)


async def test_gotify_gets_json(service: Service) -> None:
    """Title, message and priority."""
    _, headers, body = await told(service, "gotify", BAD)
    assert headers["Content-Type"] == "application/json"
    assert b'"priority": 8' in body


async def test_healthchecks_has_two_addresses(service: Service) -> None:
    """`/fail` for trouble, the plain address when it is over."""
    assert (await told(service, "healthchecks", BAD))[0] == "/topic/fail"
    assert (await told(service, "healthchecks", OVER))[0] == "/topic"
    asked = len(service.got)
    async with aiohttp.ClientSession() as session:
        await UrlNotifier(session=session, url=service.url, style="healthchecks").tell(SOLD)
    assert len(service.got) == asked, "a sale would say that a trouble is over"


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_service_that_does_not_take_it_is_said(service: Service, status: int) -> None:
    """Everything but 2xx means: not told; a redirect is not followed."""
    service.status = status
    with pytest.raises(Transient, match=f"answered {status}"):
        await told(service, "ntfy", BAD)
    assert len(service.got) == 1


async def test_a_program_gets_the_title_and_the_text(tmp_path: Path) -> None:
    """The text on its standard input, the title as its last argument."""
    out = tmp_path / "told"
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2] + '|' + sys.stdin.read())"
    alarm = CommandNotifier(command=[sys.executable, "-c", code, str(out)], environ=os.environ)
    await alarm.tell(BAD)
    assert out.read_text() == f"{BAD.title}|{BAD.text}"
    await alarm.tell(BROKEN)
    assert out.read_text() == "One  Tags: two   three |What ? to do."


async def test_a_program_sees_nothing_of_the_daemons_secrets(tmp_path: Path) -> None:
    """Its environment holds what every program needs, and no key, no credential folder and no socket."""
    out = tmp_path / "told"
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text('\\n'.join(os.environ))"
    secret = dict.fromkeys(
        (
            "RHEOD_TRADERA__APP_KEY",
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
            "AWS_SECRET_ACCESS_KEY",
            "PATHS",
        ),
        "test-secret",
    )
    needed = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/",
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TZ": "UTC",
        "USER": "a",
    }
    alarm = CommandNotifier(command=[sys.executable, "-c", code, str(out)], environ=secret | needed)
    await alarm.tell(BAD)
    seen = set(out.read_text().split())
    assert set(needed) <= seen
    assert not set(secret) & seen


@pytest.mark.parametrize("command", [["/no/such/program"], [sys.executable, "-c", "raise SystemExit(3)"]])
async def test_a_program_that_fails_is_said(command: list[str]) -> None:
    """One that is not there, or that ends with another status than 0."""
    with pytest.raises(Transient, match=r"alerts\.command"):
        await CommandNotifier(command=command, environ={}).tell(BAD)


async def test_a_mail_is_handed_in() -> None:
    """With the title as its subject; a server that refuses is said."""
    async with mailbox() as box:
        server = MailServer(host="127.0.0.1", port=box.port, security="none")
        alarm = MailNotifier(server=server, sender="rheod@example.com", to="owner@example.com")
        await alarm.tell(OVER)
        assert "Subject: rheod: Over: it" in box.mails[0]
        await alarm.tell(LONG)
        mail = email.message_from_string(box.mails[1])
        assert read(mail["Subject"]) == f"rheod: {LONG.title}"
        await alarm.tell(replace(BROKEN, text="Do it."))
        assert "Subject: rheod: One  Tags: two   three" in box.mails[2]
        box.refuses = True
        with pytest.raises(Transient, match="mail server"):
            await alarm.tell(OVER)


@pytest.mark.parametrize("sender", ["a@example.com\r\nTo: c", "å@exämple.com"])
async def test_a_mail_that_cannot_be_written_is_said(sender: str) -> None:
    """An address no header can hold, or one that this server does not understand."""
    async with mailbox() as box:
        server = MailServer(host="127.0.0.1", port=box.port, security="none")
        with pytest.raises(Transient, match="mail server"):
            await MailNotifier(server=server, sender=sender, to="b@example.com").tell(BAD)


async def test_a_mail_server_that_is_not_there_is_said(unused_tcp_port: Any) -> None:
    """Nobody listens: not told."""
    server = MailServer(host="127.0.0.1", port=unused_tcp_port, security="none")
    with pytest.raises(Transient, match="mail server"):
        await MailNotifier(server=server, sender="a@example.com", to="b@example.com").tell(BAD)


OFF = Finding(
    code="endpoint.off", subject="e1", mood=Mood.BAD, text=Text("It is off"), fix=Text("Switch it on")
)
QUIET = Finding(code="relist.late", mood=Mood.BUSY, text=Text("x"), fix=Text("y"), alerts=False)


@dataclass
class Phone:
    """The owner's telephone, which is sometimes out of reach."""

    away: bool = False
    noise: RheodError = field(default_factory=lambda: Transient(Text("out of reach")))
    heard: list[AlertMessage] = field(default_factory=list)

    where = Text("the owner's telephone")

    async def tell(self, message: AlertMessage) -> None:
        """Ring."""
        if self.away:
            raise self.noise
        self.heard.append(message)


class Scene:
    """What there is to find, and an alerter that can be replaced by another, as at a restart."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.found: list[Finding] = []
        self.phone = Phone()
        self.clock = clock
        self._database = database
        self.restart()

    def restart(self, *, sales: bool = False) -> None:
        """Another alerter on the same store."""
        self._alerter = Alerter(
            database=self._database,
            now=self.clock,
            look=self._look,
            notifiers=[self.phone],
            rounds=Rounds(calm_ms=600_000, sales=sales),
        )

    async def round(self, minutes: int = 1) -> list[str]:
        """Let time pass, make a round; the titles heard."""
        self.clock.forward(minutes * 60_000)
        self.phone.heard.clear()
        await self._alerter.make_round()
        return [message.title for message in self.phone.heard]

    async def _look(self) -> Sequence[Finding]:
        return self.found


@pytest.fixture
def scene(database: Database, clock: Clock) -> Scene:
    """Nothing is wrong yet."""
    return Scene(database, clock)


@pytest.fixture
def market(database: Database, store: Store, clock: Clock, account_id: str) -> Shop:
    """An account that sells."""
    endpoints = Endpoints(store=store, new_secret=lambda: "whsec_1")
    return Shop(
        database=database,
        store=store,
        items=Items(store=store, forecast=lambda _account: BudgetForecast()),
        endpoints=endpoints,
        feed=EventFeed(store=store, endpoints=endpoints),
        clock=clock,
        account_id=account_id,
        sellers=SellersAndSite(accounts={}, site_url="https://t.example", closed_grace_ms=0),
    )


async def test_a_trouble_is_told_once_and_its_end_once(scene: Scene) -> None:
    """Also over a restart; with what to do in the text."""
    scene.found = [OFF]
    assert await scene.round() == ["It is off"]
    assert await scene.round() == []
    scene.restart()
    assert await scene.round() == []
    scene.found = []
    assert await scene.round() == []
    assert await scene.round(minutes=10) == ["Over: It is off"]
    assert await scene.round() == []


async def test_one_that_flaps_is_not_told_again(scene: Scene) -> None:
    """Back within the calm time: the same trouble goes on."""
    scene.found = [OFF]
    await scene.round()
    for _ in range(3):
        scene.found = []
        assert await scene.round(minutes=5) == []
        scene.found = [OFF]
        assert await scene.round(minutes=4) == []


async def test_what_could_not_be_told_is_told_later(scene: Scene) -> None:
    """A telephone out of reach loses nothing, neither the beginning nor the end."""
    scene.found, scene.phone.away = [OFF], True
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["It is off"]
    scene.found, scene.phone.away = [], True
    await scene.round()
    await scene.round(minutes=10)
    scene.phone.away = False
    assert await scene.round() == ["Over: It is off"]


@pytest.mark.parametrize(
    "noise",
    [
        Transient(Text("a")),
        Unanswered(Text("b")),
        StoreUnavailable(Text("c")),
        Permanent(Text("d")),
        Refused("CONFLICT", Text("e")),
    ],
    ids=lambda noise: type(noise).__name__,
)
async def test_whatever_an_alarm_has_a_sentence_for_stops_nothing(scene: Scene, noise: RheodError) -> None:
    """The round goes on to what else there is, and the owner is told of both later."""
    other = replace(OFF, subject="e2", text=Text("Another is off"))
    scene.found, scene.phone.away, scene.phone.noise = [OFF, other], True, noise
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["It is off", "Another is off"]


async def test_what_ended_before_it_could_be_told_is_not_told(scene: Scene) -> None:
    """The owner is not woken for something that is over."""
    scene.found, scene.phone.away = [OFF], True
    await scene.round()
    scene.found, scene.phone.away = [], False
    await scene.round()
    assert await scene.round(minutes=10) == []
    scene.found = [OFF]
    assert await scene.round() == ["It is off"]


async def test_what_is_only_for_the_pages_rings_nobody(scene: Scene) -> None:
    """Findings that are no alerts stay on the pages."""
    scene.found = [QUIET]
    assert await scene.round() == []


async def test_a_full_disk_is_told_once_and_keeps_nothing_from_being_told(
    scene: Scene, database: Database
) -> None:
    """What cannot be stored is kept until it can; nothing is told twice, and a restart after that knows of it."""
    other = replace(OFF, subject="e2", text=Text("Another is off: " + "because of this " * 10_000))
    long = replace(OFF, fix=Text("Switch it on"), text=Text("It is off: " + "because of that " * 10_000))
    await fill_disk(database)
    scene.found = [long, other]
    assert await scene.round() == [long.text, other.text]
    assert await scene.round() == []
    await make_room(database)
    scene.found = [long]
    assert await scene.round() == []
    scene.restart()
    assert await scene.round() == []


async def test_each_sale_is_told_once_to_who_wants_to_know(scene: Scene, market: Shop) -> None:
    """With its title and price; none of before the wish, none that was told, none that is not at Tradera's."""
    early, late = await market.put_live("early", title="Dörr"), await market.put_live("late", title="Huv")
    await market.record(order(1, early.tradera_item_id or 0))
    assert await scene.round() == []
    scene.restart(sales=True)
    assert await scene.round() == []
    await market.record(order(2, late.tradera_item_id or 0, price_ore=110_050))
    await market.put("elsewhere")
    await market.items.change_status(market.account_id, "elsewhere", "sold")
    scene.phone.away = True
    assert await scene.round() == []
    scene.phone.away = False
    assert await scene.round() == ["Sold: Huv"]
    assert [each.text for each in scene.phone.heard] == ["Huv (late) was sold for 1100.50 kr."]
    scene.restart(sales=True)
    assert await scene.round() == []
