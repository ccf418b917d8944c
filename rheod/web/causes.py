"""What needs the owner as a row says it: a cause of at most 60 characters in the shop's words, and the verb of its one button."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rheod.domain.errors import Text, counted

if TYPE_CHECKING:
    from rheod.health.findings import Finding

SHOW = Text("Show")
CONNECT, MEND, SETTLE, PACK = Text("Connect"), Text("Mend"), Text("Settle"), Text("Pack")
VERBS: Mapping[str, Text] = {
    "account.unconnected": CONNECT,
    "item.failed": MEND,
    "items.held": MEND,
    "listing.double": SETTLE,
    "listing.doubt": SETTLE,
    "order.unsent": PACK,
    "publishing.paused": Text("Resume"),
    "publishing.waits": CONNECT,
    "sale.doubt": SETTLE,
    "token.dead": CONNECT,
    "token.ends": CONNECT,
}
"""The one button of a finding: what it leads to."""

CAUSES: Mapping[str, Text] = {
    "account.unconnected": Text("An account is not connected to Tradera"),
    "backup.missed": Text("No backup for a long time"),
    "budget.spent": counted("{n} item waits for tomorrow's calls", "{n} items wait for tomorrow's calls", 1),
    "clock.off": Text("The server's clock is wrong"),
    "commit.waits": counted("{n} ad waits for its last call", "{n} ads wait for their last call", 1),
    "disk.low": Text("The server's disk is nearly full"),
    "ending.waits": counted("{n} ad cannot be ended", "{n} ads cannot be ended", 1),
    "endpoint.fails": Text("A receiver does not take what it is told"),
    "endpoint.off": Text("A receiver is switched off"),
    "event.refused": Text("A receiver refuses an event"),
    "images.full": Text("The room for pictures is used up"),
    "item.failed": counted("{n} item did not go out", "{n} items did not go out", 1),
    "items.held": counted("{n} item needs something of you", "{n} items need something of you", 1),
    "items.look_alike": Text("Two item numbers look the same"),
    "listing.double": counted("{n} item has two ads", "{n} items have two ads", 1),
    "listing.doubt": counted("{n} ad may be up or not", "{n} ads may be up or not", 1),
    "log.long": Text("The database cannot tidy up after itself"),
    "order.grew_after_print": Text("An order has grown since its pick list"),
    "order.paid_after_reversal": Text("Paid after the sale was taken back"),
    "order.partly_paid": Text("Only a part of an order is paid"),
    "order.refunded": Text("Money of an order was paid back"),
    "order.sum_differs": Text("The sum paid for an order differs"),
    "order.unconfirmed": Text("Tradera does not count an order as paid"),
    "order.unpaid": Text("An order has not been paid for long"),
    "order.unsent": counted("{n} order to send", "{n} orders to send", 1),
    "order.unshipped": Text("Tradera does not know that a parcel is sent"),
    "pictures.lost": Text("Pictures are missing on the server's disk"),
    "pictures.wait": counted("{n} picture cannot be fetched", "{n} pictures cannot be fetched", 1),
    "publishing.paused": Text("You have paused everything"),
    "publishing.waits": Text("Tradera is not connected: nothing goes out"),
    "push.away": Text("Sales are heard of late: the queue is silent"),
    "push.silent": Text("Sales are heard of late: the queue is silent"),
    "queue.wrong": Text("The push queue belongs to somebody else"),
    "quota.held": Text("An old limit of calls holds publishing back"),
    "quota.learned": Text("Tradera let through fewer calls than thought"),
    "receiver.dead": Text("A receiver has not answered for long"),
    "reconcile.late": Text("Sales are not compared with Tradera's"),
    "reference.unread": Text("Tradera's lists cannot be read just now"),
    "relist.late": counted("{n} item should have come back", "{n} items should have come back", 1),
    "relist.over": counted("{n} unsold item: decide", "{n} unsold items: decide", 1),
    "restore.blind": Text("After the restore: Tradera cannot be read"),
    "restore.looks": Text("After the restore: comparing with Tradera"),
    "restore.strangers": Text("After the restore: unknown ads at Tradera"),
    "sale.conflict": counted("{n} sold item is still up", "{n} sold items are still up", 1),
    "sale.doubt": counted("{n} order may be a sale", "{n} orders may be sales", 1),
    "sale.quarantined": Text("A message of Tradera cannot be read"),
    "sale.twice": counted("{n} item is sold twice", "{n} items are sold twice", 1),
    "sale.unmatched": Text("Something unknown here was sold"),
    "sale.waits": counted("{n} sale is not looked up yet", "{n} sales are not looked up yet", 1),
    "settings.superseded": Text("The settings have lines of no use"),
    "stock.incomplete": Text("Items lack what Tradera will ask for"),
    "store.unwritable": Text("Nothing can be written to the disk"),
    "token.dead": Text("Tradera does not take the login any more"),
    "token.ends": Text("The login at Tradera ends soon"),
    "tradera.away": Text("Tradera does not answer"),
    "tradera.key": Text("Tradera does not take the application's key"),
    "tradera.paused": Text("Tradera asks for a pause"),
    "work.unclear": counted("{n} job gets no clear answer", "{n} jobs get no clear answer", 1),
}


def cause_of(finding: Finding) -> Text:
    """The cause in a few words; the whole sentence stands behind it."""
    short = CAUSES.get(finding.code)
    if short is None:
        return finding.text
    if short.plural is None:
        return short
    n = finding.text.values.get("n", finding.count)
    return Text.made(short.template, {"n": n}, plural=short.plural)
