"""The ways to reach the owner outside the pages: a command, a URL, a mail. Each takes one short text.

They are set by the owner himself, so their addresses are not guarded as partners' are; none follows a redirect.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal, Protocol

import aiohttp

from rheod.domain.errors import Transient
from rheod.domain.text import Text

TIMEOUT_S = 30.0
UrlStyle = Literal["ntfy", "gotify", "healthchecks"]
_FOR_PROGRAMS = frozenset({"PATH", "HOME", "LANG", "TZ", "USER"})
_UNFOLDED = SMTP.clone(max_line_length=998)
"""As long as RFC 5322 lets a line be: Python loses spaces where it folds a subject that is not ASCII."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What the owner is told. `over` says that an earlier trouble has ended; `urgent` that something does not work."""

    title: str
    text: str
    over: bool = False
    urgent: bool = False


class Notifier(Protocol):
    """One way to reach the owner."""

    async def tell(self, message: AlertMessage) -> None:
        """Deliver the message. Raises Transient with the reason when it may not have arrived."""


class CommandNotifier:
    """Runs the owner's program with the text on its standard input and the title as last argument.

    Of the daemon's environment `environ` it sees only what a program needs anywhere: the rest holds secrets.
    """

    def __init__(self, *, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environ = {
            name: value for name, value in environ.items() if name in _FOR_PROGRAMS or name.startswith("LC_")
        }

    async def tell(self, message: AlertMessage) -> None:
        """See `Alarm`. The program has 30 s and must end with 0."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                _one_line(message.title),
                env=self._environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:  # ValueError: what no argument can hold
            why = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise Transient(Text("alerts.command cannot be run: {why}", why=why)) from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await process.communicate(message.text.encode(errors="replace"))
        except TimeoutError as error:
            raise Transient(
                Text("alerts.command did not end within {seconds} seconds", seconds=f"{TIMEOUT_S:g}")
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Transient(Text("alerts.command ended with {status}", status=process.returncode))


class UrlNotifier:
    """Posts to a notification service: ntfy's headers, gotify's JSON, or the two addresses of healthchecks."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, style: UrlStyle) -> None:
        self._session = session
        self._url = url
        self._style = style

    async def tell(self, message: AlertMessage) -> None:
        """See `Alarm`."""
        url, headers, body = self._url, {}, message.text.encode(errors="replace")
        title = _one_line(message.title)
        priority = "urgent" if message.urgent else "default"
        json = None
        if self._style == "ntfy":
            headers = {"Title": _header(title), "Priority": priority, "Tags": _tag(message)}
        elif self._style == "gotify":
            json = {"title": title, "message": message.text, "priority": 8 if message.urgent else 4}
        elif not message.over:
            url = f"{url}/fail"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.post(
                url,
                data=None if json else body,
                json=json,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Transient(
                Text("alerts.url cannot be reached: {error}", error=type(error).__name__)
            ) from error
        if not 200 <= status < 300:
            raise Transient(Text("alerts.url answered {status}", status=status))


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed in; `security` is how the line is encrypted."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None = None
    password: str | None = None


class MailNotifier:
    """Hands in a mail by SMTP, in a thread."""

    def __init__(self, *, server: MailServer, sender: str, to: str) -> None:
        self._server = server
        self._sender = sender
        self._to = to

    async def tell(self, message: AlertMessage) -> None:
        """See `Alarm`."""
        try:
            await asyncio.to_thread(self._hand_in, self._mail(message))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Transient(
                Text("The mail server did not take the alert: {error}", error=type(error).__name__)
            ) from error

    def _mail(self, message: AlertMessage) -> EmailMessage:
        mail = EmailMessage(policy=_UNFOLDED)
        mail["From"], mail["To"] = self._sender, self._to
        mail["Subject"] = f"rheod: {_one_line(message.title)}"
        mail.set_content(message.text)
        return mail

    def _hand_in(self, mail: EmailMessage) -> None:
        server = self._server
        context = ssl.create_default_context()
        if server.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=TIMEOUT_S, context=context
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        with client:
            if server.security == "starttls":
                client.starttls(context=context)
            if server.user is not None and server.password is not None:
                client.login(server.user, server.password)
            client.send_message(mail)


def _header(text: str) -> str:
    """A title as a header may hold it (RFC 2047 is what ntfy reads); kept on one line, as HTTP wants it."""
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="")


def _one_line(title: str) -> str:
    """A title without what would break a header or an argument: control characters, line ends, halves of characters."""
    broken = {"Cc", "Cs", "Zl", "Zp"}
    return "".join(" " if unicodedata.category(char) in broken else char for char in title)


def _tag(message: AlertMessage) -> str:
    if message.over:
        return "white_check_mark"
    return "rotating_light" if message.urgent else "warning"
