"""The ways to reach the owner: a real program, a real HTTP server, a real mail server; and what it means when they fail."""

from __future__ import annotations

import email
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from rheod.domain.errors import Transient
from rheod.health.alerts import AlertMessage, CommandNotifier, MailNotifier, MailServer, UrlNotifier, UrlStyle
from tests.fakes.mail import mailbox

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
