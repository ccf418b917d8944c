"""The owner's list of items: finding among many, seeing where each stands, and doing one thing with several.

What is ticked is shown once more, with what would become of it, before anything is done; then each item goes through the use case
that the API has for it, and is told what was done or why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field

from rheod.api.routing import Query, Whole, read_query
from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import Refused, Text, Transient, counted
from rheod.domain.model import ListingState, RheoStatus, TraderaStatus
from rheod.store.stock import Group, Order, StockQuery
from rheod.web.forms import sentence
from rheod.web.items_page import AT_TRADERA, BEING_ENDED, BEING_REMOVED, ITEMS, item_address, other_price
from rheod.web.site import HOME, ActionDone, Outcome, Page, local_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rheod.api.routing import Route
    from rheod.store.ads import Bids
    from rheod.store.stock import StockRow
    from rheod.usecases.inventory import StockView
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext

MANY = f"{HOME}/many"
PAGE = 30
MOST = 100
"""So many items are done with at once."""
GROUPS: Mapping[Group, Text] = {
    Group.ALL: Text("All"),
    Group.LIVE: Text("Live"),
    Group.WAITS: Text("Waiting"),
    Group.FAILED: Text("Failed"),
    Group.DOUBT: Text("Unsure"),
    Group.HELD: Text("Needs something"),
    Group.UNSOLD: Text("Unsold"),
    Group.SOLD: Text("Sold"),
    Group.UNLISTED: Text("Not out"),
}
ORDERS: Mapping[Order, Text] = {
    Order.NEW: Text("newest first"),
    Order.ENDS: Text("ends soon"),
    Order.PRICE: Text("highest price"),
}
Deed = Literal["publish", "end", "price", "hold"]
NAMES: Mapping[str, str] = {
    "publish": "publish items",
    "end": "take items down",
    "price": "change prices",
    "hold": "hold returns",
}
"""How the log of the owner's actions names each."""
SHELF = "shelf"
"""Where an item lies, in its metadata, unless the pick list goes by another key."""


class ItemsQuery(Query):
    """What is looked for, how it is shown, and from which item on."""

    q: Annotated[str, Field(max_length=255)] = ""
    show: Group = Group.ALL
    sort: Order | Literal[""] = ""
    view: Literal["", "grid"] = ""
    start: Annotated[Whole, Field(ge=0)] = 0

    @property
    def order(self) -> Order:
        """What comes first: of what is live that which ends next, unless something else is asked for."""
        return self.sort or (Order.ENDS if self.show is Group.LIVE else Order.NEW)


class ManyQuery(Query):
    """What is to be done with what is ticked; `percent` goes with the price, `back` is the list that one came from."""

    do: Deed
    percent: Annotated[int, Field(ge=-90, le=300)] | Literal[""] = ""
    back: Annotated[str, Field(max_length=1000)] = ""


class ItemsList:
    """The list, and what is done with several of it."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The list, what is about to be done, and doing it."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", ITEMS, page(self.list)),
            ("GET", MANY, page(self.ask)),
            *(("POST", f"{MANY}/{do}", action(self.carry_out, name=name)) for do, name in NAMES.items()),
        ]

    async def list(self, request: PageRequest) -> Page:
        """A page of the items that fit."""
        query = read_query(request.http, ItemsQuery)
        sought = StockQuery(text=query.q.strip(), group=query.show, order=query.order)
        found, seen = await self._context.stock.page(
            request.account_id, sought, limit=PAGE, start=query.start
        )

        def to(**changes: object) -> str:
            given = {"account": request.account, "q": query.q, "show": query.show, "sort": query.sort}
            kept = {**given, "view": query.view, **changes}
            return f"{ITEMS}?{urlencode({name: each for name, each in kept.items() if each not in ('', 0, Group.ALL)})}"

        total, end = found.counts[query.show], found.start + len(found.rows)
        values = {
            "query": query,
            "rows": [self._shown(request, each) for each in seen],
            "groups": [(group, text, found.counts[group]) for group, text in GROUPS.items()],
            "orders": ORDERS,
            "to": to,
            "here": to(start=found.start),
            "total": total,
            "first": found.start + 1,
            "end": end,
            "before": to(start=max(0, found.start - PAGE)) if found.start else None,
            "after": to(start=end) if end < total else None,
        }
        return Page("items.html", values)

    def _shown(self, request: PageRequest, seen: StockView) -> dict[str, Any]:
        """What a row shows."""
        row = seen.row
        line, mood = line_of(seen, request.language)
        shelf = row.metadata.get(self._context.api.orders.pick_sort or SHELF)
        ad_kr = row.listing.price_kr if row.listing and row.listing.state is ListingState.LIVE else None
        return {
            "row": row,
            "line": line,
            "mood": mood,
            "shelf": shelf if isinstance(shelf, str | int) else None,
            "ad_kr": other_price(ad_kr, row.price_ore),
            "address": item_address(request, row.external_id),
        }

    async def ask(self, request: PageRequest) -> Page:
        """What would become of what is ticked; nothing is done yet."""
        query = read_query(request.http, ManyQuery)
        given = request.http.query.getall("n", [])
        seen = await self._context.stock.of_numbers(request.account_id, _numbers(given))
        percent = query.percent or None
        values = {
            "do": query.do,
            "percent": percent,
            "rows": [
                (self._shown(request, each), new_price(each.row.price_ore, percent) if percent else None)
                for each in seen
            ],
            "given": ",".join(f"{each.row.number}:{each.row.price_ore or 0}" for each in seen),
            "back": local_path(query.back or ITEMS),
            "percents": (-30, -20, -10, 10),
        }
        return Page("many.html", values)

    async def carry_out(self, request: PageRequest) -> ActionDone:
        """Each item by the API's own use case; what one refuses holds no other up."""
        if request.account_id in self._context.api.removed_accounts:
            raise Refused(
                "CONFLICT", Text("This account is not in the settings any more: its items can only be read")
            )
        do = request.http.path.rpartition("/")[2]
        pairs = dict(each.partition(":")[::2] for each in request.form.get("items", "").split(","))
        seen = await self._context.stock.of_numbers(request.account_id, _numbers(pairs))
        percent = request.form.get("percent", "")
        each_done: list[Outcome] = []
        for row in [each.row for each in seen]:
            try:
                _refuse_changed(do, row, pairs.get(str(row.number), ""))
                said, bad = await self._do(request, do, row, percent), False
            except (Refused, Transient) as error:
                said, bad = sentence(error, request.language), True
            each_done.append(Outcome(row.title, said, bad=bad))
        failed = sum(each.bad for each in each_done)
        told = counted("{n} item is done.", "{n} items are done.", len(each_done) - failed)
        if failed:
            told = Text("{done} of {all} are done.", done=len(each_done) - failed, all=len(each_done))
        subject = ", ".join(each.row.external_id for each in seen)
        back = local_path(request.form.get("back", ITEMS))
        return ActionDone(told, to=back, subject=subject, each=tuple(each_done), bad=failed > 0)

    async def _do(self, request: PageRequest, do: str, row: StockRow, percent: str) -> str:
        account, external_id, api = request.account_id, row.external_id, self._context.api
        match do:
            case "publish":
                return await api.items.order_publish(account, external_id)
            case "end":
                return await api.items.change_status(account, external_id, "not_listed")
            case "hold":
                return await api.relisting.hold(account, external_id, held=True)
            case _:
                price = new_price(row.price_ore, _percent(percent))
                if price is None:
                    raise Refused("CONFLICT", Text("It has no price"))
                return await api.items.change_price(account, external_id, price)


def _refuse_changed(do: str, row: StockRow, shown: str) -> None:
    """Raise Refused where the price to be changed is not the one that was shown."""
    if do == "price" and str(row.price_ore or 0) != shown:
        raise Refused("CONFLICT", Text("Its price has been changed meanwhile: look again"))


def new_price(price_ore: int | None, percent: int) -> int | None:
    """The price changed by so many percent, in whole kronor, at least one; None without a price."""
    if price_ore is None:
        return None
    return max(1, whole_kronor(round(price_ore * (100 + percent) / 100))) * 100


def _percent(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and -90 <= int(text) <= 300 and int(text)):
        raise Refused("VALIDATION_FAILED", Text("Give a whole number of percent, such as -10"))
    return int(text)


def _numbers(given: Any) -> list[int]:
    """The numbers of ticked items. Raises Refused for none, for too many and for what is none."""
    texts = [each for each in given if each]
    if not texts:
        raise Refused("BAD_REQUEST", Text("Tick an item first"))
    if len(texts) > MOST or not all(each.isascii() and each.isdecimal() and len(each) < 19 for each in texts):
        raise Refused("BAD_REQUEST", Text("Tick at most {n} items", n=MOST))
    return list(dict.fromkeys(map(int, texts)))


Line = tuple[str, str]
"""Where an item stands, and its mood: good, busy, bad or nothing special."""


def line_of(seen: StockView, language: Language) -> Line:
    """Where an item stands in one line, with the time that matters."""
    row, listing = seen.row, seen.row.listing
    if row.delete_requested:
        return language.say(BEING_REMOVED[0]), "busy"
    gone = row.rheo_status in {RheoStatus.SOLD, RheoStatus.NOT_LISTED}
    if row.tradera_status is TraderaStatus.ACTIVE and (gone or (listing is not None and listing.end_wish)):
        return language.say(BEING_ENDED[0]), "busy"
    return LINES[row.group](seen, language)


def _live(seen: StockView, language: Language) -> Line:
    ends_at, bids = seen.row.listing.ends_at if seen.row.listing else None, seen.row.bids
    said = language.say(AT_TRADERA[TraderaStatus.ACTIVE][0])
    if ends_at is not None:
        said = language.gettext("Live, ends {when}", when=language.when(ends_at))
    return said if bids is None else f"{said} · {bids_line(bids, language)}", "good"


def bids_line(bids: Bids, language: Language) -> str:
    """How many bids an ad has, how high they are, and when that was read."""
    read = language.gettext("read {when}", when=language.when(bids.seen_at))
    many = language.ngettext("{n} bid", "{n} bids", bids.count) if bids.count else language.gettext("no bid")
    price = "" if bids.highest_kr is None else f", {language.kr(bids.highest_kr * 100)}"
    return f"{many}{price} ({read})"


def _waiting(seen: StockView, language: Language) -> Line:
    row, said = seen.row, language.gettext("Waits to go out")
    if row.unready:
        said = language.ngettext("Waits for {n} picture", "Waits for {n} pictures", row.unready)
    elif row.listing is not None and row.listing.state is not ListingState.QUEUED:
        said = language.gettext("Is being put out now")
    elif seen.goes_at is not None:
        said = language.gettext("Waits, goes out about {when}", when=language.when(seen.goes_at))
    elif seen.waits_for:
        said = language.gettext("Waits: {why}", why=language.say(seen.waits_for))
    return said, "busy"


def _failed(seen: StockView, language: Language) -> Line:
    return language.gettext("Did not work: {why}", why=language.say(seen.row.last_error or "")), "bad"


def _doubtful(seen: StockView, language: Language) -> Line:
    since = seen.row.listing.commit_sent_at if seen.row.listing else None
    return language.gettext("Unsure whether it is up, since {when}", when=language.when(since)), "bad"


def _held(seen: StockView, language: Language) -> Line:
    why = (seen.row.listing and seen.row.listing.held) or seen.row.last_error or ""
    return language.gettext("Needs something: {why}", why=language.say(why)), "busy"


def _unsold(seen: StockView, language: Language) -> Line:
    row = seen.row
    if row.back_held:
        return language.gettext("Unsold; its return is held"), ""
    if row.back_at is None or row.back is None:
        ended_at = row.listing.closed_at if row.listing else None
        return language.gettext("Unsold, ended {when}", when=language.when(ended_at)), ""
    price, when = language.kr(row.back.price_kr * 100), language.when(row.back_at)
    return language.gettext("Unsold; comes back {when} for {price}", when=when, price=price), ""


def _sold(seen: StockView, language: Language) -> Line:
    row = seen.row
    if row.sold_at is None:
        return language.gettext("Sold elsewhere"), "good"
    when, price = language.when(row.sold_at), language.kr(row.sold_ore)
    return language.gettext("Sold {when} for {price}", when=when, price=price), "good"


def _unlisted(seen: StockView, language: Language) -> Line:
    row = seen.row
    if row.rheo_status is RheoStatus.NOT_LISTED:
        return language.gettext("Taken down"), ""
    if row.unready:
        said = counted(
            "Not out; {n} picture is being fetched", "Not out; {n} pictures are being fetched", row.unready
        )
        return language.say(said), ""
    return language.gettext("Not out, came in {when}", when=language.when(row.created_at)), ""


def _other(seen: StockView, language: Language) -> Line:
    is_archived = seen.row.rheo_status is RheoStatus.ARCHIVED
    return language.gettext("Archived") if is_archived else language.gettext("Donor vehicle or lot"), ""


LINES: Mapping[Group, Callable[[StockView, Language], Line]] = {
    Group.LIVE: _live,
    Group.WAITS: _waiting,
    Group.FAILED: _failed,
    Group.DOUBT: _doubtful,
    Group.HELD: _held,
    Group.UNSOLD: _unsold,
    Group.SOLD: _sold,
    Group.UNLISTED: _unlisted,
    Group.ALL: _other,
}
