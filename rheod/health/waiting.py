"""What needs the owner because it waits, does not answer, or has no room: rules about work, remotes, the machine and its store.

Whatever makes an item or a sale wait for long is told with its cause, since when and the next try.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rheod.domain.errors import Text, counted
from rheod.health.findings import LONG_MS, Finding, Mood, Refusal, Wait, is_long


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits at one moment `now` (ms).

    `tradera` and `push` are set while they do not answer, `refusals` tell which methods Tradera has refused;
    `not_believed` is what Tradera says of categories, attributes and freight that cannot be read, by its name.
    `reconciled` is since when each account's orders and ads have not been compared, and `reconcile_patience_ms` how
    long that may be.
    """

    now: int
    tradera: Wait | None = None
    push: Wait | None = None
    refusals: tuple[Refusal, ...] = ()
    endings: tuple[Wait, ...] = ()
    unclear: tuple[Wait, ...] = ()
    sales: tuple[Wait, ...] = ()
    pictures: Wait | None = None
    not_published: Wait | None = None
    sold_but_up: Wait | None = None
    sold_twice: Wait | None = None
    unsold: Wait | None = None
    relists_late: Wait | None = None
    put_off: Wait | None = None
    reconciled: tuple[Wait, ...] = ()
    not_believed: tuple[Wait, ...] = ()
    reconcile_patience_ms: int = 3_600_000


def of_remotes(facts: Waiting) -> Iterator[Finding]:
    """What does not answer, or lets nothing through."""
    if facts.tradera is not None and facts.now - facts.tradera.since > LONG_MS:
        yield facts.tradera.found(
            "tradera.away",
            Mood.BAD,
            counted(
                "Tradera has not answered for {n} minute: {reason}",
                "Tradera has not answered for {n} minutes: {reason}",
                (facts.now - facts.tradera.since) // 60_000,
                reason=facts.tradera.reason,
            ),
            Text(
                "Nothing is lost, and rheod asks again by itself. If it lasts, check the network and tradera.base_url"
            ),
        )
    if facts.push is not None and is_long(facts.push, facts.now):
        yield facts.push.found(
            "push.away",
            Mood.BAD,
            Text("The push queue gives no messages: {reason}", reason=facts.push.reason),
            Text("Check the [push] settings and the network; sales are found later, by asking Tradera"),
            alerts=False,
        )
    for wait in facts.reconciled:
        if facts.now - wait.since > facts.reconcile_patience_ms:
            yield wait.found(
                "reconcile.late",
                Mood.BAD,
                Text(
                    "The sales and ads of account {account} have not been compared with Tradera's for {minutes} minutes",
                    account=wait.account or "own",
                    minutes=(facts.now - wait.since) // 60_000,
                ),
                Text("A sale that push did not tell is found only then: the log says why it fails"),
            )


def of_reference(facts: Waiting) -> Iterator[Finding]:
    """What Tradera says of categories, attributes and freight and could not be believed."""
    for wait in facts.not_believed:
        named, _, leaf = wait.account.partition(":")
        match named:
            case "categories":
                text = Text("Tradera's tree of categories cannot be read: {reason}", reason=wait.reason)
            case "shipping":
                text = Text("Tradera's table of freight prices cannot be read: {reason}", reason=wait.reason)
            case _:
                text = Text(
                    "The attributes of Tradera's category {category} cannot be read: {reason}",
                    category=leaf,
                    reason=wait.reason,
                )
        yield wait.found(
            "reference.unread",
            Mood.BUSY,
            text,
            Text(
                "What was read last is used meanwhile, and nothing is held back for it; rheod reads it again by itself"
            ),
            alerts=False,
        )


def of_work(facts: Waiting) -> Iterator[Finding]:
    """Work that should have been done by now."""
    for wait in facts.sales:
        text = wait.counted(
            "{n} sale of account {account} is not looked up yet: {reason}",
            "{n} sales of account {account} are not looked up yet: {reason}",
        )
        fix = Text("rheod asks again by itself; until then the shop does not know of it: look in My Tradera")
        yield wait.found("sale.waits", Mood.BAD, text, fix)
    for wait in facts.endings:
        text = wait.counted(
            "{n} ad of account {account} should have been ended and is still up: {reason}",
            "{n} ads of account {account} should have been ended and are still up: {reason}",
        )
        fix = Text("rheod tries again by itself. If it hurries, end it in My Tradera")
        yield wait.found("ending.waits", Mood.BAD, text, fix)
    for wait in facts.unclear:
        text = wait.counted(
            "{n} job of account {account} gets no clear answer of Tradera: {reason}",
            "{n} jobs of account {account} get no clear answer of Tradera: {reason}",
        )
        fix = Text(
            "rheod tries again by itself, ever more rarely, and goes on with the others. `rheod items list` names"
            " what waits; `rheod items retry ID` tries at once"
        )
        yield wait.found("work.unclear", Mood.BUSY, text, fix, alerts=False)


def of_items(facts: Waiting) -> Iterator[Finding]:
    """Items that should have gone on by now."""
    if (wait := facts.put_off) is not None and is_long(wait, facts.now):
        text = wait.counted(
            "{n} ad is to be committed once more, and no call is left for it ({items})",
            "{n} ads are to be committed once more, and no calls are left for them ({items})",
        )
        fix = Text(
            "They come before all other ads as soon as a call is free; `rheod items show ID` says when"
        )
        yield wait.found("commit.waits", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.relists_late) is not None:
        text = wait.counted(
            "{n} item should have come back by now ({items})",
            "{n} items should have come back by now ({items})",
        )
        fix = Text("`rheod relist explain ID` says what it waits for")
        yield wait.found("relist.late", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.pictures) is not None:
        text = wait.counted(
            "{n} picture could not be fetched yet: {reason}",
            "{n} pictures could not be fetched yet: {reason}",
        )
        fix = Text("Check the host of the pictures; they are tried again for half an hour, then given up")
        yield wait.found("pictures.wait", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.not_published) is not None:
        text = wait.counted("{n} item could not be published", "{n} items could not be published")
        fix = Text(
            "`rheod items show ID` says why; mend it and send the item again, or `rheod items retry ID`"
        )
        yield wait.found("item.failed", Mood.BUSY, text, fix)


def of_returns(facts: Waiting) -> Iterator[Finding]:
    """What was sold twice, or may be, and what comes back no more."""
    if (wait := facts.sold_twice) is not None:
        text = wait.counted(
            "{n} item is sold twice, by two of its ads or elsewhere too ({items})",
            "{n} items are sold twice, each by two of its ads or elsewhere too ({items})",
        )
        fix = Text(
            "Tell one of the two buyers now, and cancel that order in My Tradera. `rheod items show ID` names both ads"
        )
        yield wait.found("sale.twice", Mood.BAD, text, fix)
    if (wait := facts.sold_but_up) is not None:
        text = wait.counted(
            "{n} item is sold while another ad of it is up that Tradera does not end: it may be sold twice ({items})",
            "{n} items are sold while other ads of them are up that Tradera does not end: they may be sold twice ({items})",
        )
        fix = Text(
            "Look at both ads in My Tradera now: cancel the bids and end the ad, or tell one of the buyers before it is sold"
        )
        yield wait.found("sale.conflict", Mood.BAD, text, fix)
    if (wait := facts.unsold) is not None:
        text = wait.counted(
            "{n} item has not been sold and comes back no more ({items})",
            "{n} items have not been sold and come back no more ({items})",
        )
        fix = Text(
            "Decide: `rheod items publish ID` puts one up again at its own price, not_listed takes it off the market"
        )
        yield wait.found("relist.over", Mood.BUSY, text, fix)


FULL_BYTES = 2**20
"""With less room than this the disk is as good as full: the next item may not fit."""
PROBE_MS = 10_000
"""A store that cannot be written is tried this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverFacts:
    """An account after a restore: `under_way` until its last look at Tradera; the ads of items it does not know."""

    reference: str
    since: int | None = None
    next_at: int | None = None
    under_way: bool = True
    blind: bool = False
    strangers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts(Waiting):
    """The store and the machine at one moment. `backup_due_at` is when the last backup, or the installation, is too old (ms).

    `unwritable` is set while the store refuses to be written, `fetching_rests` while no picture is fetched at all.
    """

    takeovers: tuple[TakeoverFacts, ...] = ()
    backup_due_at: int | None = None
    unwritable: Wait | None = None
    free_bytes: int | None = None
    least_free_bytes: int = 0
    log_bytes: int = 0
    most_log_bytes: int = 64 * 2**20
    image_bytes: int = 0
    most_image_bytes: int = 0
    fetching_rests: Wait | None = None


def of_takeovers(facts: StoreFacts) -> Iterator[Finding]:
    """What a restore leaves to be done, by account."""
    for one in facts.takeovers:
        values: dict[str, str | int] = {"account": one.reference or "own"}
        if one.blind:
            yield Finding(
                code="restore.blind",
                subject=one.reference,
                owner=one.reference,
                mood=Mood.BAD,
                text=Text(
                    "After the restore Tradera does not tell which ads of account {account} are rheod's: nothing of it"
                    " is published",
                    **values,
                ),
                fix=Text(
                    "Compare your ads at Tradera with `rheod items list`, then `rheod restore --compared`"
                ),
                since=one.since,
            )
        elif one.under_way:
            yield Finding(
                code="restore.looks",
                subject=one.reference,
                owner=one.reference,
                mood=Mood.BUSY,
                text=Text(
                    "After the restore rheod first looks at what account {account} has at Tradera: nothing of it is"
                    " published until then",
                    **values,
                ),
                fix=Text(
                    "Wait: it goes on by itself, after tradera.takeover_wait_s (an hour) at the latest if calls are left"
                ),
                alerts=False,
                since=one.since,
                next_at=one.next_at,
            )
        if one.strangers:
            yield Finding(
                code="restore.strangers",
                subject=one.reference,
                owner=one.reference,
                mood=Mood.BUSY,
                text=counted(
                    "{n} ad at Tradera is of an item that the restored backup does not know: {ads}",
                    "{n} ads at Tradera are of items that the restored backup does not know: {ads}",
                    len(one.strangers),
                    ads=", ".join(map(str, one.strangers[:5])),
                ),
                fix=Text(
                    "End them in My Tradera before the same things are sent again, or they are up twice"
                ),
            )


def no_room(unwritable: Wait | None, free_bytes: int | None) -> Text | None:
    """Why nothing can be written; None while it can."""
    if unwritable is not None:
        return Text("The database cannot be written: {reason}", reason=unwritable.reason)
    if free_bytes is not None and free_bytes < FULL_BYTES:
        return Text("The disk of the data folder is full")
    return None


def of_store(facts: StoreFacts) -> Iterator[Finding]:
    """Room on the disk, backups, pictures and the log of the database."""
    if why := no_room(facts.unwritable, facts.free_bytes):
        yield Finding(
            code="store.unwritable",
            mood=Mood.BAD,
            text=why,
            fix=Text(
                "Make room on that disk (`df -h` shows it): until then nothing is taken in, published or noted."
                " rheod goes on by itself within ten seconds"
            ),
            since=facts.now if facts.unwritable is None else facts.unwritable.since,
            next_at=facts.now + PROBE_MS,
        )
    elif facts.free_bytes is not None and facts.free_bytes < facts.least_free_bytes:
        yield Finding(
            code="disk.low",
            mood=Mood.BAD,
            text=Text("The disk of the data folder has only {mib} MiB left", mib=facts.free_bytes // 2**20),
            fix=Text("Make room: with a full disk rheod answers 503 and takes nothing in"),
        )
    if facts.backup_due_at is not None and facts.now >= facts.backup_due_at:
        yield Finding(
            code="backup.missed",
            mood=Mood.BUSY,
            text=Text("There is no fresh backup"),
            fix=Text(
                "Run `rheod backup DEST`, and let the timer do it daily: `systemctl enable --now rheod-backup.timer`"
            ),
            since=facts.backup_due_at,
        )
    if facts.most_image_bytes and facts.image_bytes >= facts.most_image_bytes:
        yield Finding(
            code="images.full",
            mood=Mood.BAD,
            text=Text(
                "The pictures of items that are for sale come to {mib} MiB: new pictures are not fetched",
                mib=facts.image_bytes // 2**20,
            ),
            fix=Text(
                "Raise storage.images_max_bytes and restart rheod, or delete items that are not for sale any more"
            ),
            since=None if facts.fetching_rests is None else facts.fetching_rests.since,
            next_at=None if facts.fetching_rests is None else facts.fetching_rests.next_at,
        )
    if facts.log_bytes > facts.most_log_bytes:
        yield Finding(
            code="log.long",
            mood=Mood.BUSY,
            text=Text("The database's write-ahead log has grown to {mib} MiB", mib=facts.log_bytes // 2**20),
            fix=Text("End whatever has been reading the database for long, such as a copy that hangs"),
            alerts=False,
        )
