"""Where a finding is seen to: the page of ours that its one button leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from rheod.health.waiting import Finding

_ITEMS, _SALES, _TRADERA = "/dashboard/items", "/dashboard/sales", "/dashboard/tradera"
_RECEIVER = "/dashboard/integration/webhooks/{subject}"
NOWHERE = ""
"""Seen to on the server alone."""

PLACES: Mapping[str, str] = {
    "account.unconnected": _TRADERA,
    "backup.missed": "/dashboard/system#backup",
    "budget.spent": f"{_TRADERA}#budget",
    "clock.off": NOWHERE,
    "commit.waits": f"{_ITEMS}?show=waits",
    "disk.low": NOWHERE,
    "ending.waits": f"{_ITEMS}?show=live",
    "endpoint.fails": _RECEIVER,
    "endpoint.off": _RECEIVER,
    "event.refused": "/dashboard/integration/deliveries?endpoint={subject}&status=failed",
    "images.full": NOWHERE,
    "item.failed": f"{_ITEMS}?show=failed",
    "items.held": f"{_ITEMS}?show=held",
    "items.look_alike": _ITEMS,
    "listing.double": f"{_ITEMS}?show=live",
    "listing.doubt": f"{_ITEMS}?show=doubt",
    "log.long": NOWHERE,
    "order.grew_after_print": _SALES,
    "order.paid_after_reversal": f"{_SALES}?show=all",
    "order.partly_paid": f"{_SALES}?show=unpaid",
    "order.refunded": f"{_SALES}?show=all",
    "order.sum_differs": f"{_SALES}?show=all",
    "order.unconfirmed": f"{_SALES}?show=all",
    "order.unpaid": f"{_SALES}?show=unpaid",
    "order.unsent": _SALES,
    "order.unshipped": f"{_SALES}?show=sent",
    "pictures.lost": NOWHERE,
    "pictures.wait": f"{_ITEMS}?show=waits",
    "publishing.paused": "/dashboard/ads#pause",
    "publishing.waits": _TRADERA,
    "push.away": NOWHERE,
    "push.silent": NOWHERE,
    "queue.wrong": NOWHERE,
    "quota.held": f"{_TRADERA}#budget",
    "quota.learned": f"{_TRADERA}#budget",
    "receiver.dead": _RECEIVER,
    "reconcile.late": _TRADERA,
    "reference.unread": f"{_TRADERA}#known",
    "relist.late": "/dashboard/returns",
    "relist.over": f"{_ITEMS}?show=unsold",
    "restore.blind": NOWHERE,
    "restore.looks": _TRADERA,
    "restore.strangers": NOWHERE,
    "sale.conflict": f"{_ITEMS}?show=sold",
    "sale.doubt": f"{_SALES}#doubts",
    "sale.quarantined": f"{_SALES}#quarantined",
    "sale.twice": _SALES,
    "sale.unmatched": f"{_SALES}#unmatched",
    "sale.waits": _SALES,
    "settings.superseded": NOWHERE,
    "stock.incomplete": "/dashboard/ads/stock",
    "store.unwritable": NOWHERE,
    "token.dead": _TRADERA,
    "token.ends": _TRADERA,
    "tradera.away": NOWHERE,
    "tradera.key": NOWHERE,
    "tradera.paused": f"{_TRADERA}#budget",
    "work.unclear": f"{_ITEMS}?show=waits",
}
"""By the code of the finding; `{subject}` is what the finding is about."""


ONE_ITEM = frozenset(
    {
        "commit.waits",
        "items.held",
        "listing.double",
        "listing.doubt",
        "relist.over",
        "sale.conflict",
        "sale.twice",
    }
)
"""Findings that lead to the item itself where they are about one alone."""


def at_its_place(finding: Finding) -> Finding:
    """The finding with the page that it is seen to on, in the account that it is about."""
    subject = quote(finding.subject, safe="")
    where = PLACES.get(finding.code, NOWHERE).format(subject=subject)
    if finding.code in ONE_ITEM and finding.count == 1 and finding.items:
        where = f"{_ITEMS}/{quote(finding.items[0], safe='')}"
    if where and finding.owner:
        path, mark, part = where.partition("#")
        where = f"{path}{'&' if '?' in path else '?'}account={quote(finding.owner, safe='')}{mark}{part}"
    return replace(finding, where=where)
