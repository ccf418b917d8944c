"""What needs the owner of the machine and its store: room, backups, and what a restore leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rheod.domain.errors import Text, counted
from rheod.health.waiting import Finding, Mood, Wait, Waiting

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
