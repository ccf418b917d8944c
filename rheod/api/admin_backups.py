"""The admin socket's calls about backups: a copy is made on request, and its keeper says when it is safe.

Only for the admin socket: the answers name paths of this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api.answers import answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rheod.api.parts import AdminParts
    from rheod.api.server import Route
    from rheod.catalog.backups import Backups


class BackupCalls:
    """Handlers of `/backup` and of what follows a restore."""

    def __init__(self, *, backups: Backups, compared: Callable[[], Awaitable[int]]) -> None:
        self._backups = backups
        self._compared = compared

    async def progress(self, _request: web.Request) -> web.Response:
        """GET /backup: the data folder and how far the copy is that is being made."""
        progress = self._backups.progress
        return answer(
            200,
            {
                "folder": str(self._backups.folder),
                "phase": progress.phase,
                "doneBytes": progress.done_bytes,
                "allBytes": progress.all_bytes,
            },
        )

    async def make(self, _request: web.Request) -> web.Response:
        """POST /backup: answers when the copy is there and checked; it is the caller's to move away."""
        copied = await self._backups.make()
        return answer(
            201,
            {
                "file": str(copied.file),
                "madeAt": copied.made_at,
                "keyFile": None if copied.key_file is None else str(copied.key_file),
                "rheod": copied.rheod,
                **copied.contents.as_json(),
            },
        )

    async def kept(self, request: web.Request) -> web.Response:
        """POST /backup/{madeAt}/kept: it was moved and is good where it is now."""
        await self._backups.kept(int(request.match_info["madeAt"]))
        return web.Response(status=204)

    async def compared(self, _request: web.Request) -> web.Response:
        """POST /restore/compared: the owner has compared the ads at Tradera, which did not tell whose they are."""
        return answer(200, {"accounts": await self._compared()})


def routes(parts: AdminParts) -> list[Route]:
    """What may be asked; nothing where there is nothing to copy."""
    if parts.backups is None or parts.compared is None:
        return []
    calls = BackupCalls(backups=parts.backups, compared=parts.compared)
    return [
        ("POST", "/restore/compared", calls.compared),
        ("GET", "/backup", calls.progress),
        ("POST", "/backup", calls.make),
        ("POST", r"/backup/{madeAt:\d{1,16}}/kept", calls.kept),
    ]
