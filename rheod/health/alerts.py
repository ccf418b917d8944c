"""Tells the owner of findings outside the pages: once when a trouble begins, once when it is over.

What the owner has been told is in the store, so that a restart tells nothing twice. The ways are a command, a URL and a
mail. The owner sets them, so their addresses are not guarded as partners' are; none follows a redirect.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from functools import partial
from typing import Literal, Protocol

import aiohttp
import structlog

from rheod.domain.errors import RheodError, StoreUnavailable, Text, Transient
from rheod.health.findings import Finding, Mood
from rheod.net.url_policy import as_url
from rheod.store import access, feed, key_value
from rheod.store.access import Alert
from rheod.store.engine.database import Database

_log = structlog.get_logger(__name__)
TIMEOUT_S = 30.0
UrlStyle = Literal["ntfy", "gotify", "healthchecks"]
_FOR_PROGRAMS = frozenset({"PATH", "HOME", "LANG", "TZ", "USER"})
_SALES_TOLD = "alerts.sales_told"
"""The mark that holds the number of the last sale the owner was told of."""

_OLDEST_SALE_MS = 24 * 3600 * 1000
_SALES_AT_ONCE = 20
_UNFOLDED = SMTP.clone(max_line_length=998)
"""As long as RFC 5322 lets a line be: Python loses spaces where it folds a subject that is not ASCII."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message to the owner. `over`: a trouble has ended; `urgent`: something does not work; `sold`: no trouble at all."""

    title: str
    text: str
    over: bool = False
    urgent: bool = False
    sold: bool = False


class Notifier(Protocol):
    """One way to reach the owner."""

    @property
    def where(self) -> Text:
        """Where the owner is reached, without what is secret."""
        ...

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

    @property
    def where(self) -> Text:
        """The program's name; its arguments may be secret."""
        return Text("The program {name}", name=self._command[0].rpartition("/")[2])

    async def tell(self, message: AlertMessage) -> None:
        """See `Notifier`. The program has 30 s and must end with 0."""
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

    @property
    def where(self) -> Text:
        """The service and its host: the rest of the address is the secret."""
        return Text("{service} at {host}", service=self._style, host=as_url(self._url).host or "?")

    async def tell(self, message: AlertMessage) -> None:
        """See `Notifier`."""
        if message.sold and self._style == "healthchecks":
            return  # which knows up and down alone
        url, headers, body = self._url, {}, message.text.encode(errors="replace")
        title = _one_line(message.title)
        priority = "urgent" if message.urgent else "default"
        json = None
        if self._style == "ntfy":
            tag = "rotating_light" if message.urgent else "warning"
            tag = "moneybag" if message.sold else "white_check_mark" if message.over else tag
            # RFC 2047 is what ntfy reads; on one line, as HTTP wants it
            header = title if title.isascii() else Header(title, "utf-8").encode(linesep="")
            headers = {"Title": header, "Priority": priority, "Tags": tag}
        elif self._style == "gotify":
            json = {"title": title, "message": message.text, "priority": 8 if message.urgent else 4}
        elif not message.over:
            url = f"{url}/fail"
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.post(
                as_url(url),
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

    @property
    def where(self) -> Text:
        """Who gets the mail, and by which server."""
        return Text("Mail to {address} by {host}", address=self._to, host=self._server.host)

    async def tell(self, message: AlertMessage) -> None:
        """See `Notifier`."""
        try:
            mail = EmailMessage(policy=_UNFOLDED)
            mail["From"], mail["To"] = self._sender, self._to
            mail["Subject"] = f"rheod: {_one_line(message.title)}"
            mail.set_content(message.text)
            await asyncio.to_thread(self._hand_in, mail)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Transient(
                Text("The mail server did not take the alert: {error}", error=type(error).__name__)
            ) from error

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


def _one_line(title: str) -> str:
    """A title without what would break a header or an argument: control characters, line ends, halves of characters."""
    broken = {"Cc", "Cs", "Zl", "Zp"}
    return "".join(" " if unicodedata.category(char) in broken else char for char in title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often to look, and how long a trouble must have been gone before it is over: one that flaps is told once.

    `sales`: tell each sale at Tradera too.
    """

    every_s: float = 60.0
    calm_ms: int = 10 * 60 * 1000
    sales: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTest:
    """A test message by one way: where it went, and why it may not have arrived (None: it was taken)."""

    where: Text
    error: Text | None = None


class Alarms:
    """The ways to the owner, as the pages show and try them."""

    def __init__(self, *, database: Database, notifiers: Sequence[Notifier], sales: bool = False) -> None:
        self.sales = sales
        """Whether each sale is told too."""
        self._database = database
        self._notifiers = notifiers

    @property
    def ways(self) -> list[Text]:
        """Where alarms go, all of them."""
        return [each.where for each in self._notifiers]

    async def standing(self) -> list[Alert]:
        """What the owner was told of and is not over yet, the newest first."""
        found = await self._database.read(access.read_all)
        return sorted(found.values(), key=lambda each: -each.since)

    async def test(self) -> list[AlarmTest]:
        """Send a test message every way at once; tells of each what became of it."""
        message = AlertMessage(
            "A test of rheod's alarms", "This is a test: alarms of rheod reach you here.", over=True
        )

        async def by(notifier: Notifier) -> AlarmTest:
            try:
                await notifier.tell(message)
            except RheodError as error:
                return AlarmTest(where=notifier.where, error=Text.of(str(error)))
            return AlarmTest(where=notifier.where)

        return list(await asyncio.gather(*(by(each) for each in self._notifiers)))


class Alerter:
    """Compares what is found with what the owner has been told."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        look: Callable[[], Awaitable[Sequence[Finding]]],
        notifiers: Sequence[Notifier],
        rounds: Rounds = Rounds(),
    ) -> None:
        self._database = database
        self._now = now
        self._look = look
        self._notifiers = notifiers
        self._rounds = rounds
        self._unsaved: dict[str, Alert | None] = {}
        self._sale_told = 0

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            await asyncio.sleep(self._rounds.every_s)
            try:
                await self.make_round()
            except StoreUnavailable as error:
                _log.warning("alerts wait for the store", reason=str(error))

    async def make_round(self) -> None:
        """Look once and tell the owner what is new and what is over; what was not delivered is tried at the next round."""
        found = {one.key: one for one in await self._look() if one.alerts}
        stored = await self._database.read(access.read_all) | self._unsaved
        known = {key: alert for key, alert in stored.items() if alert is not None}
        for finding in found.values():
            await self._meet(finding, known.get(finding.key))
        for alert in known.values():
            if alert.key not in found:
                await self._miss(alert)
        if self._rounds.sales:
            await self._tell_sales()

    async def _tell_sales(self) -> None:
        """Tell each sale since the last one told; of those before the owner wanted to know, none."""
        told = await self._database.read(lambda db: key_value.get(db, _SALES_TOLD))
        after = max(int(told), self._sale_told) if told else await self._database.read(feed.newest)
        if told is None:
            await self._database.write(lambda db: key_value.put(db, _SALES_TOLD, str(after)))
        since = self._now() - _OLDEST_SALE_MS
        sales = await self._database.read(
            lambda db: feed.sales_after(db, after, since=since, limit=_SALES_AT_ONCE)
        )
        for sale in sales:
            price = f"{sale.price_kr:.2f}".removesuffix(".00")
            message = AlertMessage(
                Text("Sold: {title}", title=sale.title),
                Text("{title} ({id}) was sold for {kr} kr.", title=sale.title, id=sale.external_id, kr=price),
                sold=True,
            )
            if not await self._tell(message):
                return
            self._sale_told = sale.seq  # a full disk must not repeat it at each round
            await self._database.write(partial(key_value.put, name=_SALES_TOLD, value=str(sale.seq)))

    async def _meet(self, finding: Finding, alert: Alert | None) -> None:
        now = self._now()
        if alert is None:
            alert = Alert(finding.key, finding.text, now)
            _log.warning("needs the owner", what=finding.text, fix=finding.fix)
        elif alert.told_at is not None and alert.gone_since is None:
            return
        if alert.told_at is None:
            message = AlertMessage(
                finding.text, f"{finding.text}.\n{finding.fix}.", urgent=finding.mood is Mood.BAD
            )
            alert = replace(alert, told_at=now if await self._tell(message) else None)
        await self._save(alert.key, replace(alert, gone_since=None))

    async def _miss(self, alert: Alert) -> None:
        now = self._now()
        if alert.gone_since is None:
            await self._save(alert.key, replace(alert, gone_since=now))
        elif now - alert.gone_since >= self._rounds.calm_ms:
            _log.info("finding is over", what=alert.text)
            message = AlertMessage(f"Over: {alert.text}", f"This is over: {alert.text}.", over=True)
            if alert.told_at is None or await self._tell(message):
                await self._save(alert.key, None)

    async def _tell(self, message: AlertMessage) -> bool:
        """Try every way; one that works is enough, and one that fails does not keep the others from being tried."""
        delivered = not self._notifiers
        for notifier in self._notifiers:
            try:
                await notifier.tell(message)
                delivered = True
            except RheodError as error:
                _log.warning("alert not delivered", reason=str(error))
        return delivered

    async def _save(self, key: str, alert: Alert | None) -> None:
        """Store what has been told, None when it is over. A full disk must neither stop the round nor repeat it."""
        self._unsaved[key] = alert
        try:
            for waiting, last in list(self._unsaved.items()):
                if last is None:
                    await self._database.write(partial(access.drop, key=waiting))
                else:
                    await self._database.write(partial(access.save, alert=last))
                del self._unsaved[waiting]
        except StoreUnavailable as error:
            _log.warning("alerts wait for the store", reason=str(error))
