"""What the HTTP API is built from: for each group of handlers the use cases and the few values it needs.

`compose` fills it; nothing here builds, reads settings or does work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from rheod.api.item_body import UrlCheck
    from rheod.domain.freight import FreightSettings
    from rheod.pictures.folder import Uploads
    from rheod.store.access import KeyRing
    from rheod.store.ads import Bids
    from rheod.tradera.dry_run import DryRunReport
    from rheod.usecases.contested_sales import SalesInDoubt
    from rheod.usecases.ending import Ending
    from rheod.usecases.endpoints import Endpoints, EventFeed
    from rheod.usecases.figures import Figures
    from rheod.usecases.inventory import Inventory
    from rheod.usecases.items import Items
    from rheod.usecases.listings import PublishingPause
    from rheod.usecases.orders import Orders
    from rheod.usecases.own_items import OwnItems
    from rheod.usecases.placement import ReferenceData
    from rheod.usecases.put_item import BatchPut
    from rheod.usecases.relisting import Relisting
    from rheod.usecases.safekeeping import Backups
    from rheod.usecases.sales import QuarantinedMessages
    from rheod.usecases.selling_setup import Capacities
    from rheod.webhooks.client import TestEventSender


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Calls per second: for each API key, the last two for each address."""

    put: float = 10
    price: float = 20
    status: float = 20
    get: float = 30
    delete: float = 10
    batch: float = 2
    tracking: float = 10
    categories: float = 10
    strangers: float = 10


async def unexamined(_online: bool) -> Mapping[str, object]:  # noqa: FBT001 - a callback's only value
    """Nothing is looked at."""
    return {"findings": [], "checked": [], "calls": 0}


DryRunOf = Callable[[str, str], Awaitable["DryRunReport"]]
"""Plays the publishing of an item (account id, external id) through, and calls nobody."""


async def unmeasured() -> bytes:
    """Nothing is measured."""
    return b""


async def unknown() -> str | None:
    """Nothing is known to be wrong."""
    return None


def nobody(_request: web.Request) -> bool:
    """Without a dashboard nobody is signed in."""
    return False


class Answered(Protocol):
    """Told of every answer."""

    def __call__(self, *, route: str, method: str, code: int, took_s: float) -> None:
        """`route` is the template of the path."""


def uncounted(*, route: str, method: str, code: int, took_s: float) -> None:
    """Nothing is counted."""


Page = tuple[str, Mapping[str, str]]
"""HTML, and the headers that say what it may load."""


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """How long a body may take to arrive (seconds)."""

    body_deadline_s: float = 10


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """Whose items a request can be about: the default account, or a member found by its reference.

    `removed_accounts` are not in the settings any more: their items can only be read.
    """

    default_account: str
    account_of_reference: Callable[[str], str | None]
    removed_accounts: Collection[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Access(Accounts):
    """Who may call, and how often.

    `signed_in` says whether a request has a dashboard session, and raises Refused when another site has sent it.
    `stopping` turns true when no new work may begin.
    """

    keys: KeyRing
    rates: Rates = field(default_factory=Rates)
    monotonic: Callable[[], float]
    trusted_proxies: Sequence[str] = ()
    stopping: Callable[[], bool]
    signed_in: Callable[[web.Request], bool] = nobody


@dataclass(frozen=True, kw_only=True)
class ItemServices(Bodies):
    """What the calls about items use; pictures are shown under `public_url`."""

    items: Items
    own_items: OwnItems
    inventory: Inventory
    look_at_ad: Callable[[str, str], Awaitable[Bids]]
    batches: BatchPut
    dry_run: DryRunOf
    relisting: Relisting
    call_limit: Callable[[str], int | None]
    ending: Ending
    publishing: PublishingPause
    now: Callable[[], int]
    check_image_url: UrlCheck
    public_url: str | None


@dataclass(frozen=True, kw_only=True)
class PictureServices:
    """What takes the owner's own pictures; they are shown under `public_url`. `say` is a sentence as its reader takes it."""

    uploads: Uploads
    public_url: str | None
    say: Callable[[web.Request, str], str] = lambda _request, sentence: str(sentence)


@dataclass(frozen=True, kw_only=True)
class SalesServices(Bodies):
    """What the calls about orders use."""

    orders: Orders
    doubts: SalesInDoubt
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class EventServices(Bodies):
    """What the calls about webhooks and events use. `test_events` sends them."""

    endpoints: Endpoints
    feed: EventFeed
    test_events: TestEventSender | None = None
    check_webhook_url: UrlCheck


@dataclass(frozen=True, kw_only=True)
class OwnerServices(Bodies):
    """What the calls about API keys, the account's one webhook and Tradera's quota use."""

    keys: KeyRing
    endpoints: Endpoints
    check_webhook_url: UrlCheck
    capacities: Capacities


@dataclass(frozen=True, kw_only=True)
class ReferenceServices:
    """What the calls about Tradera's own categories and freight use."""

    reference: ReferenceData
    freight: FreightSettings


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How rheod is, for whoever watches it, and the pictures it hosts.

    `health` gives None or what is wrong with the database, `writable` why it cannot be written; `readiness` the words for what is not ready yet (none:
    ready). `account_states` counts the accounts by state. `metrics` gives Prometheus's text, to this machine and to the
    networks `metrics_allow`; `answered` is told of each answer. `make_thumbnail` makes the small copy of a hosted picture.
    """

    health: Callable[[], Awaitable[str | None]]
    writable: Callable[[], Awaitable[str | None]] = unknown
    readiness: Callable[[], Sequence[str]]
    stopping: Callable[[], bool]
    account_states: Callable[[], Mapping[str, int]] = dict
    image_folder: Path
    make_thumbnail: Callable[[str, int], Awaitable[None]]
    metrics: Callable[[], Awaitable[bytes]] = unmeasured
    answered: Answered = uncounted
    metrics_allow: Sequence[str] = ()
    trusted_proxies: Sequence[str] = ()
    monotonic: Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class ReferencePages:
    """What the API's own description is made of; `reference_page` shows the OpenAPI document to people."""

    rates: Rates = field(default_factory=Rates)
    public_url: str | None
    reference_page: Callable[[dict[str, Any]], Page]


@dataclass(frozen=True, kw_only=True)
class ApiContext(
    Access,
    ItemServices,
    PictureServices,
    SalesServices,
    EventServices,
    OwnerServices,
    ReferenceServices,
    Condition,
    ReferencePages,
):
    """All of it, as `compose` fills it: each group of handlers takes the part it needs. `now` is ms UTC."""

    rng: Random


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext:
    """What the admin socket adds.

    `status` gathers what `rheod status` shows, `examine` what `rheod doctor` asks; with True it may call Tradera.
    `quarantine` keeps the messages of Tradera that nobody understood. `backups` copies the database; `compared` notes that the owner has compared the ads at Tradera after a restore and
    tells for how many accounts that counts.
    """

    api: ApiContext
    status: Callable[[], Awaitable[Mapping[str, object]]]
    examine: Callable[[bool], Awaitable[Mapping[str, object]]] = unexamined
    quarantine: QuarantinedMessages | None = None
    backups: Backups | None = None
    compared: Callable[[], Awaitable[int]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose items a request is about, known once its key has been checked."""

    account_id: str


CALLER = web.RequestKey("caller", Caller)
REQUEST_ID = web.RequestKey("request_id", str)
STRANGER = web.RequestKey("stranger", bool)
"""Set when a request needed no valid key or had none: it gets no line of its own in the log."""
