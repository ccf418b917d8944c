"""The simulated Tradera's login page: a seller signs in there for an application (tradera-v4.md section 4).

Outside `/v4` and never counted as a call. There is no password: one presses a seller's button.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from rheod.sandbox.tradera_views import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from rheod.sandbox.tradera_gate import Conduct, Keys

TOKEN_LIFE_MS = 540 * 86_400_000
"""About 18 months, the one figure seen."""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated Tradera: sign in</title></head><body>
<h1>Simulated Tradera</h1>{body}</body></html>
"""
_BUTTON = """<form method="post" action="/token-login">
<input type="hidden" name="skey" value="{skey}"><input type="hidden" name="ruparams" value="{ruparams}">
<button name="user" value="{user}">Sign in as seller {user}</button></form>"""


class LoginPages:
    """Serves `/token-login`; `logins` are the secret keys of logins that are done, with their users."""

    def __init__(self, *, now: Callable[[], int], keys: Keys, conduct: Conduct) -> None:
        self._now = now
        self._keys = keys
        self._conduct = conduct
        self.logins: dict[str, int] = {}

    def add_to(self, app: web.Application) -> None:
        """Register the page and its form."""
        app.router.add_get("/token-login", self._page)
        app.router.add_post("/token-login", self._sign_in)

    async def _page(self, request: web.Request) -> web.Response:
        query = request.query
        skey = query.get("skey", "")
        known = (str(self._keys.app_id), self._keys.public_key)
        if (query.get("appId"), query.get("pkey")) != known or not 32 <= len(skey) <= 255:
            return _html("<p>Unknown application, or a wrong skey.</p>", status=400)
        forms = [
            _BUTTON.format(user=user, skey=escape(skey), ruparams=escape(query.get("ruparams", "")))
            for user in self._keys.sellers
        ]
        return _html("".join(forms))

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        user = int(str(form["user"]))
        self.logins[str(form["skey"])] = user
        if not self._conduct.accept_url:
            return _html("<p>You are signed in. Close this window.</p>")
        told = {"userId": str(user)}
        if self._conduct.display_token:
            told |= {"token": self._keys.sellers[user], "exp": iso(self._now() + TOKEN_LIFE_MS)}
        address = f"{self._conduct.accept_url}?{urlencode(told)}"
        if ruparams := str(form["ruparams"]):
            address += f"&{ruparams}"
        return web.Response(status=302, headers={"Location": address})


def _html(body: str, *, status: int = 200) -> web.Response:
    return web.Response(status=status, text=_PAGE.format(body=body), content_type="text/html")
