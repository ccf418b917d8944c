"""`rheod restore`: the database, key and pictures of a backup in the place of what is there, which is kept beside it.

Everything is proven before anything is touched. No rheod may run; the next one first looks at what Tradera has.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from rheod.cli import OK, CommandFailed
from rheod.cli.backup import PICTURE, copy, require_room
from rheod.cli.command import Command, Options, pass_options, with_json
from rheod.cli.daemon_client import ask, load
from rheod.cli.printing import say, say_json
from rheod.config.settings import Settings
from rheod.domain import crash
from rheod.store.engine import copies, encryption, restore_swap
from rheod.store.engine.copies import DATABASE, IMAGES, Manifest
from rheod.store.engine.encryption import SecretBox
from rheod.store.engine.lock import take_lock
from rheod.store.migrations import scripts


@click.command(cls=Command)
@click.argument(
    "source",
    metavar="[SRC]",
    required=False,
    type=click.Path(path_type=Path),
    help="One backup: a folder `rheod-<time>`.",
)
@click.option(
    "--compared",
    is_flag=True,
    help="After a restore: the ads at Tradera are as rheod shows them, where Tradera did not tell.",
)
@with_json
@pass_options
def restore(options: Options, *, source: Path | None, compared: bool, as_json: bool) -> int:
    """Begin anew from a backup, with rheod stopped.

    Everything is proven before anything is touched, and what was there before is kept beside it.
    """
    if (source is not None) == compared:
        raise click.UsageError("Give the folder of a backup, or --compared")
    if source is None:
        answer = ask(options, "POST", "/restore/compared")
        if as_json:
            say_json(answer)
        else:
            say(f"Noted: {answer['accounts']} accounts publish again.")
        return OK
    settings = load(options)
    crash.arm(settings.debug.crash_at)
    source, data = source.expanduser().absolute(), settings.storage.path
    try:
        lock = take_lock(data)
        try:
            manifest, count = _restore(source, data, settings)
        finally:
            os.close(lock)
    except OSError as error:
        raise CommandFailed(f"Not restored: {error.strerror} ({error.filename})") from error
    moment = datetime.fromtimestamp(manifest.made_at // 1000, UTC)
    if as_json:
        say_json({"restored": str(source), "madeAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "pictures": count})
        return OK
    say(f"Restored the state of {moment:%Y-%m-%d %H:%M} UTC with {manifest.counts['items']} items.")
    say("What was there before lies beside it as *.before-restore-<time>.")
    say("Start rheod now (systemctl start rheod). The machine this backup came from must not run any more.")
    say("rheod first looks at what Tradera has and publishes nothing until then: see `rheod status`.")
    return OK


def _restore(source: Path, data: Path, settings: Settings) -> tuple[Manifest, int]:
    restore_swap.finish(data)
    manifest = Manifest.of(source)
    known = scripts()[-1][0]
    if manifest.schema > known:
        raise CommandFailed(
            f"{source} has schema {manifest.schema} (rheod {manifest.rheod}), this rheod knows {known}:"
            " install the newer rheod first"
        )
    manifest.prove(source)
    _check_key(source, manifest, settings)
    require_room(data, manifest.size_bytes + 64 * 2**20)
    stage = restore_swap.new_stage(data)
    if copy(source / DATABASE, stage / DATABASE) != manifest.sha256:
        raise CommandFailed(f"{source / DATABASE} changed while it was read: nothing was restored")
    if manifest.key:
        copy(source / encryption.KEY_FILE, stage / encryption.KEY_FILE)
    count = _bring_pictures(source, data, manifest)
    _give_to_owner(data, [stage, *stage.iterdir()])
    restore_swap.commit(data, moment=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    restore_swap.finish(data)
    _give_to_owner(data, [data / "lock"])
    return manifest, count


def _check_key(source: Path, manifest: Manifest, settings: Settings) -> None:
    """The secrets in the backup must open with the key that the next daemon will have."""
    given = settings.storage.key
    if given is not None:
        key = given.get_secret_value()
    elif manifest.key:
        key = (source / encryption.KEY_FILE).read_text(encoding="ascii").strip()
    else:
        raise CommandFailed(
            "The key of this backup is not in it, it came from the settings of its machine: set storage.key"
            " (RHEOD_STORAGE__KEY for this command) to the same key"
        )
    copies.require_key(source / DATABASE, SecretBox(key))


def _bring_pictures(source: Path, data: Path, manifest: Manifest) -> int:
    """Pictures are named by their contents: those that are there already are right, and a half one never has its name."""
    images, made = data / IMAGES, []
    for name in manifest.pictures or ():
        place = images / name
        if not PICTURE.fullmatch(name) or place.exists():
            continue
        made += [each for each in (images, place.parent) if not each.exists()]
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = place.with_suffix(".part")
        part.unlink(missing_ok=True)
        if copy(source / IMAGES / name, part) != place.stem:
            part.unlink()
            raise CommandFailed(f"The picture {name} of {source} is damaged: nothing was restored")
        part.rename(place)
        made.append(place)
    _give_to_owner(data, made)
    return len(manifest.pictures or ())


def _give_to_owner(data: Path, files: list[Path]) -> None:
    """What root puts into the folder of rheod's own user must be that user's."""
    owner = data.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for file in files:
        with suppress(FileNotFoundError):
            os.chown(file, owner.st_uid, owner.st_gid, follow_symlinks=False)
