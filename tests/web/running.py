"""The API with the dashboard on a real socket, and a client that behaves as a browser does: cookies, forms, no script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp

from rheod.api.server import build_app, start
from rheod.domain.budget import MethodState
from rheod.domain.errors import Refused, Text
from rheod.health.alerts import Notifier
from rheod.health.findings import Finding
from rheod.pictures.decoder import Decoder
from rheod.store import ledger
from rheod.store.accounts import Token
from rheod.store.engine.database import Database
from rheod.usecases.selling_setup import AccountConnection, Shown
from rheod.web.dashboard import Dashboard
from rheod.web.site import WebContext
from tests.api.running import Clock, made, one_decoder
from tests.stores import opened

PASSWORD = "test-password-123"
SEE_OTHER = 303


class NoConnector:
    """A rheod without credentials: nobody can be connected."""

    async def connections(self) -> list[AccountConnection]:
        """Nobody."""
        return []

    async def begin(self, account_id: str) -> str:
        """Refused."""
        raise Refused("CONFLICT", Text("no credentials for {account_id}", account_id=account_id))

    async def address(self, account_id: str) -> str | None:
        """None."""
        await self.begin(account_id)
        return None

    async def finish(self, account_id: str, user: str = "") -> Token:
        """Refused."""
        raise Refused(
            "CONFLICT", Text("no credentials for {account_id} {user}", account_id=account_id, user=user)
        )

    async def accept(self, account_id: str, shown: Shown) -> Token:
        """Refused."""
        raise Refused(
            "CONFLICT",
            Text("no credentials for {account_id} {user}", account_id=account_id, user=shown.user),
        )


class Pages:
    """A running dashboard and one browser's cookies."""

    def __init__(
        self,
        *,
        parts: WebContext,
        database: Database,
        port: int,
        session: aiohttp.ClientSession,
        clock: Clock,
    ) -> None:
        self.parts = parts
        self.database = database
        self.clock = clock
        self.base = f"http://127.0.0.1:{port}"
        self.session = session

    async def get(self, path: str, **headers: str) -> tuple[int, str, Any]:
        """Status, text and headers of a page; redirects are not followed."""
        async with self.session.get(self.base + path, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post_files(
        self, path: str, fields: dict[str, str], files: Sequence[bytes]
    ) -> tuple[int, str, Any]:
        """Send a form with files as a browser without a script does."""
        form = aiohttp.FormData(fields, default_to_multipart=True)
        for number, each in enumerate(files):
            form.add_field("files", each, filename=f"{number}.jpg", content_type="image/jpeg")
        if not files:
            form.add_field("files", b"", filename="", content_type="application/octet-stream")
        headers = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        async with self.session.post(
            self.base + path, data=form, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> tuple[int, str, Any]:
        """Send a form as a browser does that is on a page of ours; `headers` replace its own, "" takes one away."""
        sent = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"} | headers
        async with self.session.post(
            self.base + path,
            data=fields,
            headers={name: each for name, each in sent.items() if each},
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def sign_in(self, secret: str) -> int:
        """Sign in; the status tells how it went (303: in)."""
        status, _, _ = await self.post("/dashboard/sign-in", {"secret": secret, "next": ""})
        return status

    async def send(self, page: str, action: str, **fields: str) -> tuple[int, str, Any]:
        """Press a button: load the page, take its form token and a number, send the form."""
        return await self.post(action, {**(await self.tokens(page)), **fields})

    async def tokens(self, page: str) -> dict[str, str]:
        """What every form of a page carries: the session's token and a number of its own."""
        _, text, _ = await self.get(page)
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', text)
        number = re.search(r'name="once" value="([^"]+)"', text)
        assert token is not None, text
        assert number is not None, text
        return {"form_token": token.group(1), "once": number.group(1)}

    async def pressed(self, page: str, action: str, **fields: str) -> str:
        """Press a button and read what the visitor is shown after it."""
        status, text, headers = await self.send(page, action, **fields)
        return (await self.get(headers["Location"]))[1] if status == SEE_OTHER else text


@asynccontextmanager
async def closed_after(decoder: Decoder) -> AsyncIterator[Decoder]:
    """The decoder, until its children have ended."""
    try:
        yield decoder
    finally:
        await decoder.close()


@asynccontextmanager
async def pages(
    folder: Path,
    *,
    found: Callable[[], Awaitable[list[Finding]]] | None = None,
    settings: Mapping[str, Any] | None = None,
    learned: MethodState | None = None,
    notifiers: Sequence[Notifier] = (),
    **changes: Any,
) -> AsyncIterator[tuple[Pages, str]]:
    """A dashboard nobody is signed in at, and the admin token; `found` needs the owner.

    `settings` are tables of them, `learned` is known of Tradera's quota; `changes` replace values of the API's parts.
    """
    clock = Clock()
    async with opened(folder) as database, closed_after(one_decoder()) as decoder:
        if learned is not None:
            await database.write(lambda db: ledger.save_state(db, learned))
        rheod, api = await made(database, folder, clock, decoder, **(settings or {}))
        api = replace(api, **changes)
        rheod.loops.notifiers = list(notifiers)
        parts = replace(
            rheod.handlers.pages(api),
            findings=found or _findings,
            status=_status,
            connector=NoConnector(),
            ad_url=lambda ad: f"https://tradera.example/item/{ad}",
        )
        dashboard = Dashboard(context=parts)
        served = replace(api, signed_in=dashboard.site.vouches)
        app = build_app(served, pages=dashboard)
        runner, port = await start(app, host="127.0.0.1", port=0)
        try:
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookie_jar=jar) as session:
                one = Pages(parts=parts, database=database, port=port, session=session, clock=clock)
                yield one, await api.keys.new_admin_token()
        finally:
            await runner.cleanup()


async def _findings() -> list[Finding]:
    return []


async def _status() -> dict[str, Any]:
    push = {"configured": False, "lastAnswer": None}
    budget = {"fits": {"ads": 14, "pictures": 5}}
    return {"budget": budget, "items": {}, "push": push, "lastPushMessage": None, "pauses": []}


def text_of(html: str) -> str:
    """What a reader sees, without tags."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))
