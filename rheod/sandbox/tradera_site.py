"""The simulated Tradera's own pages and what it says about itself: the login, ads' pages, users, tokens, categories, the time.

The pages are outside `/v4` and never counted as calls. There is no password at the login: one presses a seller's button.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from rheod.sandbox.tradera_access import Route
from rheod.sandbox.tradera_catalogue import BIDDER_TYPES, EXPO_TYPES, Catalogue, pairs
from rheod.sandbox.tradera_market import FIXED_PRICE, DeclinedError, bad_request
from rheod.sandbox.tradera_orders import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from rheod.sandbox.tradera_access import Asked, Conduct, Keys
    from rheod.sandbox.tradera_listings import UploadedPictures
    from rheod.sandbox.tradera_market import Market


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
        answer = {"userId": str(user)}
        if self._conduct.display_token:
            answer |= {"token": self._keys.sellers[user], "exp": iso(self._now() + TOKEN_LIFE_MS)}
        address = f"{self._conduct.accept_url}?{urlencode(answer)}"
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

    def __init__(self, *, now: Callable[[], int], market: Market, pictures: UploadedPictures) -> None:
        self._now = now
        self._market = market
        self._pictures = pictures

    def add_to(self, app: web.Application) -> None:
        """Register the two routes."""
        app.router.add_get(r"/item/{itemId:\d{1,10}}", self._page)
        app.router.add_get(r"/item/{itemId:\d{1,10}}/pictures/{number:\d{1,2}}", self._picture)

    async def _page(self, request: web.Request) -> web.Response:
        self._market.settle()
        listing = self._market.listings.get(int(request.match_info["itemId"]))
        if listing is None or not listing.visible:
            raise web.HTTPNotFound(text="There is no such item")
        state = "Running"
        if listing.buyer is not None:
            state = "Sold"
        elif listing.ended(self._now()):
            state = "Ended"
        fixed = listing.body["itemType"] == FIXED_PRICE
        asked = listing.buy_now if fixed else listing.opening
        links = (
            f'<img alt="" src="/item/{listing.item_id}/pictures/{n}">' for n in range(len(listing.images))
        )
        return web.Response(
            text=_AD_PAGE.format(
                title=escape(listing.body["title"]),
                item_id=listing.item_id,
                state=state,
                price=listing.bids[-1] if listing.bids else asked,
                bids=len(listing.bids),
                ends=iso(listing.end_ms),
                pictures="".join(links),
                description=escape(listing.body["description"]),
            ),
            content_type="text/html",
        )

    async def _picture(self, request: web.Request) -> web.Response:
        found = self._pictures.get(int(request.match_info["itemId"]), int(request.match_info["number"]))
        if found is None:
            raise web.HTTPNotFound(text="There is no such picture")
        return web.Response(body=found, content_type="image/png" if found[:1] == b"\x89" else "image/jpeg")


class SimulatedReferenceCalls:
    """The calls about the time, what Tradera says of its categories, freight and fields, users and tokens."""

    def __init__(
        self, *, now: Callable[[], int], keys: Keys, logins: dict[str, int], catalogue: Catalogue
    ) -> None:
        self._now = now
        self._keys = keys
        self._logins = logins
        self._catalogue = catalogue

    def routes(self) -> list[Route]:
        """The operations with their addresses."""
        return [
            Route("time", "GET", "/v4/reference-data/time", self._time, user=False),
            Route("categories", "GET", "/v4/categories", self._categories, user=False),
            Route(
                "definitions",
                "GET",
                "/v4/categories/{categoryId}/attribute-definitions",
                self._definitions,
                user=False,
            ),
            Route("shipping", "GET", "/v4/reference-data/shipping-options", self._shipping, user=False),
            Route(
                "field_values",
                "GET",
                "/v4/reference-data/item-field-values",
                lambda _asked: self._catalogue.field_values(),
                user=False,
            ),
            Route(
                "bidder_types",
                "GET",
                "/v4/reference-data/accepted-bidder-types",
                lambda _asked: pairs(BIDDER_TYPES),
                user=False,
            ),
            Route(
                "expo_types",
                "GET",
                "/v4/reference-data/expo-item-types",
                lambda _asked: pairs(EXPO_TYPES),
                user=False,
            ),
            Route("me", "GET", "/v4/users/me", self._me),
            Route("alias", "GET", "/v4/users/by-alias/{alias}", self._alias, user=False),
            Route("token", "POST", "/v4/auth/token", self._token, user=False),
        ]

    def _time(self, _asked: Asked) -> str:
        return iso(self._now())

    def _categories(self, _asked: Asked) -> Any:
        return self._catalogue.tree()

    def _definitions(self, asked: Asked) -> Any:
        number = int(asked.path["categoryId"])
        if self._catalogue.is_leaf(number) is None:
            raise DeclinedError(404, "NotFound", "The category was not found")  # the contract
        return self._catalogue.definitions.get(number, [])

    def _shipping(self, asked: Asked) -> Any:
        """The whole table: it has no other country but Sweden."""
        countries = asked.query.get("fromCountryCodes") or ["SE"]
        return {"productsPerWeightSpan": self._catalogue.spans if "SE" in countries else []}

    def _me(self, asked: Asked) -> Any:
        return {
            "id": asked.seller_id,
            "alias": f"seller{asked.seller_id}",
            "firstName": "Test",
            "lastName": "Säljare",
            "email": "seller@example.com",
            "currencyCode": "SEK",
            "languageCodeIso2": "sv",
        }

    def _alias(self, asked: Asked) -> Any:
        for user_id in self._keys.sellers:
            if asked.path["alias"] == f"seller{user_id}":
                return {"id": user_id, "alias": asked.path["alias"], "totalRating": 12}
        raise DeclinedError(404, "NotFound", "The user was not found")  # the contract

    def _token(self, asked: Asked) -> Any:
        """Hand out the token of a seller who has signed in; a login's secret key is good for one fetch."""
        secret, user_id = asked.body.get("secretKey") or "", asked.body.get("userId", 0)
        if not 32 <= len(secret) <= 255:
            raise bad_request("secretKey must be 32 to 255 characters")  # the contract
        if self._logins.get(secret) != user_id:
            raise bad_request("There is no token for this user and secret key")  # guessed
        del self._logins[secret]
        return {
            "authToken": self._keys.sellers[user_id],
            "hardExpirationTime": iso(self._now() + TOKEN_LIFE_MS),
        }
