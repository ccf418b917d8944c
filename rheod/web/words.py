"""The shop's words for what the code calls by short names: actions of the log, Tradera's methods, what an event tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rheod.domain.calendar import BadWindow, EndWindow
from rheod.domain.categories import DOMAINS
from rheod.domain.errors import Text
from rheod.domain.model import CloseReason
from rheod.store.columns import restored

if TYPE_CHECKING:
    from rheod.domain.model import Json
    from rheod.web.language import Language

ACTIONS: Mapping[str, Text] = {
    "sign in": Text("Signed in"),
    "sign out": Text("Signed out"),
    "set password": Text("Set the password"),
    "make API key": Text("Made a key"),
    "revoke API key": Text("Revoked a key"),
    "add webhook endpoint": Text("Added a receiver"),
    "change webhook endpoint": Text("Changed a receiver"),
    "rotate webhook secret": Text("Renewed a receiver's secret"),
    "test webhook endpoint": Text("Tested a receiver"),
    "enable webhook endpoint": Text("Switched a receiver on"),
    "disable webhook endpoint": Text("Switched a receiver off"),
    "remove webhook endpoint": Text("Removed a receiver"),
    "replay event": Text("Told an event again"),
    "replay events": Text("Told events again"),
    "look at ad": Text("Read the bids on an ad"),
    "make item": Text("Made an item"),
    "change item": Text("Changed an item"),
    "throw draft away": Text("Threw a draft away"),
    "publish item": Text("Published an item"),
    "publish items": Text("Published items"),
    "take items down": Text("Took items down"),
    "change prices": Text("Changed prices"),
    "hold returns": Text("Held returns"),
    "take item down": Text("Took an item down"),
    "mark item as sold": Text("Marked an item as sold"),
    "settle doubt": Text("Settled a doubt about an ad"),
    "say paid": Text("Marked an order as paid"),
    "say handed over": Text("Marked an order as fetched"),
    "write pick list": Text("Wrote a pick list"),
    "tell parcel": Text("Told of a parcel"),
    "take sale back": Text("Took a sale back"),
    "settle sale": Text("Settled a doubt about a sale"),
    "put message away": Text("Put a message away"),
    "begin login at Tradera": Text("Began a login at Tradera"),
    "connect to Tradera": Text("Connected to Tradera"),
    "make backup": Text("Made a copy of everything"),
    "keep backup": Text("Noted a copy as the last backup"),
    "sign out others": Text("Signed out everywhere else"),
    "test alarms": Text("Sent a test of the alarms"),
    "hold return": Text("Held a return"),
    "resume return": Text("Let a return go on"),
    "pause returns": Text("Paused all returns"),
    "resume returns": Text("Let all returns go on"),
    "choose return rule": Text("Changed the rule for returns"),
    "pause everything": Text("Paused everything"),
    "resume everything": Text("Let everything go on"),
    "keep ad template": Text("Changed a template of the ads"),
    "remove ad template": Text("Removed a template of the ads"),
    "add category rule": Text("Added a rule for categories"),
    "move category rule": Text("Moved a rule for categories"),
    "remove category rule": Text("Removed a rule for categories"),
    "set category default": Text("Chose a category for a kind of goods"),
    "set category guess": Text("Chose whether rheod guesses categories"),
    "choose ends": Text("Changed when auctions end"),
    "move end": Text("Moved the end of an auction"),
    "make calendar": Text("Asked for the calendar's address"),
    "revoke calendar": Text("Revoked the calendar's address"),
    "forget learned limit": Text("Forgot a learned limit"),
    "read reference data": Text("Had Tradera's tables read anew"),
}
"""What stands in the log of the owner's actions."""

METHODS: Mapping[str, Text] = {
    "create": Text("Make ads"),
    "image": Text("Send pictures"),
    "commit": Text("Publish ads"),
    "results": Text("Ask what became of them"),
    "price": Text("Change prices"),
    "end": Text("End ads"),
    "ship": Text("Tell of parcels"),
    "orders": Text("List orders"),
    "order": Text("Read an order"),
    "seller_items": Text("List own ads"),
    "updated_items": Text("List changed ads"),
    "item": Text("Read an ad"),
    "transactions": Text("List payments"),
    "transaction_status": Text("Mark as paid"),
    "me": Text("Check the login"),
    "categories": Text("Read categories"),
    "definitions": Text("Read attributes"),
    "shipping": Text("Read freight prices"),
    "time": Text("Ask for the time"),
    "token": Text("Log in"),
}
"""Tradera's methods, each counted by itself."""


ENDED: Mapping[str, Text] = {
    CloseReason.NO_BIDS: Text("nobody bought it"),
    CloseReason.CLOSED_BY_TRADERA: Text("Tradera ended it"),
    CloseReason.CLOSED_BY_SELLER: Text("you ended it"),
    CloseReason.QUANTITY_ZERO: Text("none is left"),
}
"""Why an ad ended without a sale."""


def domain_name(slug: str | None, language: Language) -> str:
    """A kind of goods in the reader's language; what an ERP made up stays as it is."""
    known = DOMAINS.get(slug or "")
    if known is None:
        return slug or ""
    return known.label_sv if language.code == "sv" else known.label_en


_TO = "\N{EN DASH}"


def window_words(written: str, language: Language) -> str:
    """A window for ends as a shop says it; one that cannot be read stays as it is written."""
    try:
        window = EndWindow.read(written)
    except BadWindow:
        return written
    runs = []
    for first in sorted(each for each in window.days if (each - 1) % 7 not in window.days):
        last = first
        while (last + 1) % 7 in window.days:
            last = (last + 1) % 7
        names = language.weekday(first), language.weekday(last)
        runs.append(names[0] if first == last else _TO.join(names))
    days = ", ".join(runs) or language.gettext("every day")
    begins, ends = (f"{at // 60:02d}:{at % 60:02d}" for at in (window.begins, window.ends))
    return f"{days} {begins}{_TO}{ends}"


def particulars(data: Json, language: Language) -> Iterator[str]:
    """What an event of an item's story says beside its name, in words; ids and codes are left out."""
    for name, value in data.items():
        if value is None:
            continue
        match name:
            case "price" | "salePrice" | "previousPrice" if isinstance(value, int | float):
                yield language.kr(round(value * 100))
            case "reason" | "error" | "why":
                known = ENDED.get(str(value))
                yield language.say(known) if known else language.recognised(restored(str(value)) or "")
            case "traderaAdId" | "adId" | "traderaItemId" | "itemId" if isinstance(value, int):
                yield language.gettext("ad {n}", n=value)
            case "orderId":
                yield language.gettext("order {n}", n=value)
            case "carrier" | "trackingNumber" | "url":
                yield str(value)
            case _:
                pass
