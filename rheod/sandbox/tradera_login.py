"""The simulated Tradera's login page: a seller signs in there for an application (tradera-v4.md section 4).

Outside `/v4` and never counted as a call. There is no password: one presses a seller's button.

The public page of a simulated listing: what a person sees at the auction's address.

Read-only and outside `/v4`. The ad's own HTML is shown in a scriptless frame.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from rheod.sandbox.tradera_rules import FIXED_PRICE
from rheod.sandbox.tradera_views import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from rheod.sandbox.tradera_access import Conduct, Keys
    from rheod.sandbox.tradera_listings import PictureShelf
    from rheod.sandbox.tradera_market import Market, SimulatedAd


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


_AD_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
img {{ max-width: 14rem; max-height: 11rem; margin: 0 .5rem .5rem 0 }}
iframe {{ width: 100%; height: 20rem; border: 1px solid #ccc }}
</style></head><body>
<p>Simulated Tradera, item {item_id}</p>
<h1>{title}</h1>
<p><strong>{state}</strong> &middot; {price} SEK &middot; {bids} bids &middot; ends {ends}</p>
<div>{pictures}</div>
<iframe sandbox title="description" srcdoc="{description}"></iframe>
</body></html>
"""


class ItemPages:
    """Serves `/item/{itemId}` and its pictures."""

    def __init__(self, *, now: Callable[[], int], market: Market, shelf: PictureShelf) -> None:
        self._now = now
        self._market = market
        self._shelf = shelf

    def add_to(self, app: web.Application) -> None:
        """Register the two routes."""
        app.router.add_get(r"/item/{itemId:\d{1,10}}", self._page)
        app.router.add_get(r"/item/{itemId:\d{1,10}}/pictures/{number:\d{1,2}}", self._picture)

    async def _page(self, request: web.Request) -> web.Response:
        self._market.settle()
        listing = self._market.listings.get(int(request.match_info["itemId"]))
        if listing is None or not listing.visible:
            raise web.HTTPNotFound(text="There is no such item")
        return web.Response(text=_render(listing, self._now()), content_type="text/html")

    async def _picture(self, request: web.Request) -> web.Response:
        found = self._shelf.get(int(request.match_info["itemId"]), int(request.match_info["number"]))
        if found is None:
            raise web.HTTPNotFound(text="There is no such picture")
        return web.Response(body=found, content_type="image/png" if found[:1] == b"\x89" else "image/jpeg")


def _render(listing: SimulatedAd, now_ms: int) -> str:
    state = "Running"
    if listing.buyer is not None:
        state = "Sold"
    elif listing.ended(now_ms):
        state = "Ended"
    fixed = listing.body["itemType"] == FIXED_PRICE
    asked = listing.buy_now if fixed else listing.opening
    links = (f'<img alt="" src="/item/{listing.item_id}/pictures/{n}">' for n in range(len(listing.images)))
    return _AD_PAGE.format(
        title=escape(listing.body["title"]),
        item_id=listing.item_id,
        state=state,
        price=listing.bids[-1] if listing.bids else asked,
        bids=len(listing.bids),
        ends=iso(listing.end_ms),
        pictures="".join(links),
        description=escape(listing.body["description"]),
    )
