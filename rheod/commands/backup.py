"""`rheod backup`: an online copy of the database, moved out of the data folder, proven where it is kept, and noted.

The daemon makes the copy, since nobody else may open its database; whoever runs this must be able to read its folder.
"""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

from rheod.commands import OK, CommandFailed
from rheod.commands.admin_socket import NotRunning
from rheod.commands.asking import ask, ask_daemon, load
from rheod.commands.backup_shelf import Shelf, add_pictures, copy, images_of, move, require_room
from rheod.commands.printing import note, say, say_json
from rheod.store import copies, vault
from rheod.store.manifests import DATABASE, IMAGES, Manifest

_COPYING_TIMEOUT_S = 12 * 3600.0
_LOOK_S = 0.5


def backup(arguments: Namespace) -> int:
    """`rheod backup DEST`: one more backup under DEST; older ones of ours but the last few are removed after it."""
    data = _data_folder(arguments)
    shelf = Shelf(Path(arguments.dest).expanduser().absolute())
    shelf.prepare(away_from=data)
    require_room(shelf.place, (data / DATABASE).stat().st_size if _is_seen(data) else 0)
    copied = _copied(arguments)
    earlier = shelf.newest()
    try:
        with shelf.adding(copied["madeAt"]) as folder:
            manifest = _fill(folder, copied, data, arguments, earlier)
    finally:
        with suppress(OSError):
            Path(copied["file"]).unlink(missing_ok=True)
    ask(arguments, "POST", f"/backup/{copied['madeAt']}/kept")
    done = shelf.newest()
    assert done is not None
    removed = shelf.prune(arguments.keep)
    _tell(arguments, done, manifest, removed)
    return OK


def _data_folder(arguments: Namespace) -> Path:
    """The daemon's folder, or that of the settings when none runs; CommandFailed when there is nothing to copy."""
    try:
        return Path(ask_daemon(arguments, "GET", "/backup")["folder"])
    except NotRunning:
        data = load(arguments).storage.path
        if not (data / DATABASE).exists():
            raise CommandFailed(f"There is nothing to back up: {data} has no {DATABASE}") from None
        return data


def _is_seen(data: Path) -> bool:
    try:
        return (data / DATABASE).exists()
    except PermissionError as error:
        raise CommandFailed(
            f"You may not read {data}: run this as root (sudo) or as rheod's own user"
        ) from error


def _copied(arguments: Namespace) -> dict[str, Any]:
    """The copy the daemon made, or that was made without one; how far it is is shown on a terminal."""
    done = threading.Event()
    teller = threading.Thread(target=_tell_progress, args=(arguments, done), daemon=True)
    if sys.stderr.isatty():
        teller.start()
    try:
        answer: dict[str, Any] = ask(arguments, "POST", "/backup", timeout_s=_COPYING_TIMEOUT_S)
    finally:
        done.set()
        if teller.is_alive():
            teller.join()
    return answer


def _tell_progress(arguments: Namespace, done: threading.Event) -> None:
    told = False
    while not done.wait(_LOOK_S):
        with suppress(CommandFailed):
            seen = ask_daemon(arguments, "GET", "/backup")
            if seen["allBytes"]:
                percent = 100 * seen["doneBytes"] // seen["allBytes"]
                sys.stderr.write(f"\r{seen['phase']} {percent} %  ")
                sys.stderr.flush()
                told = True
    if told:
        sys.stderr.write("\r" + " " * 20 + "\r")


def _fill(
    folder: Path, copied: dict[str, Any], data: Path, arguments: Namespace, earlier: Path | None
) -> Manifest:
    """Put everything into the folder and prove the database there."""
    move(Path(copied["file"]), folder / DATABASE)
    if copied["keyFile"] is not None:
        copy(Path(copied["keyFile"]), folder / vault.KEY_FILE)
    pictures = None
    if arguments.pictures:
        pictures = _pictures(folder, data, earlier)
    manifest = Manifest(
        made_at=copied["madeAt"],
        rheod=copied["rheod"],
        schema=copied["schema"],
        counts=copied["counts"],
        size_bytes=copied["bytes"],
        sha256=copied["sha256"],
        key=copied["keyFile"] is not None,
        pictures=pictures,
    )
    file = manifest.write(folder)
    file.chmod(0o600)
    copies.sync(file)
    manifest.prove(folder)
    return manifest


def _pictures(folder: Path, data: Path, earlier: Path | None) -> tuple[str, ...]:
    sources = [data / IMAGES] + ([images_of(earlier)] if earlier is not None else [])
    names = copies.picture_files(folder / DATABASE)
    there, missing = add_pictures(names, folder / IMAGES, sources)
    if missing:
        note(f"rheod: {len(missing)} pictures are not there any more, such as {missing[0]}")
    return tuple(there)


def _tell(arguments: Namespace, done: Path, manifest: Manifest, removed: list[Path]) -> None:
    if arguments.json:
        say_json(
            {
                "backup": str(done),
                "bytes": manifest.size_bytes,
                "sha256": manifest.sha256,
                "counts": manifest.counts,
                "pictures": None if manifest.pictures is None else len(manifest.pictures),
                "key": manifest.key,
                "removed": [str(each) for each in removed],
            }
        )
        return
    counts = manifest.counts
    say(f"Backed up {counts['items']} items and {counts['orders']} orders to {done}, verified.")
    if manifest.pictures is not None:
        say(f"With {len(manifest.pictures)} pictures.")
    if manifest.key:
        say(
            f"It holds {vault.KEY_FILE}, which opens the secrets in it: keep it where nobody else can read it."
        )
    else:
        say(
            "The key that opens its secrets is not in it: it comes from your settings (storage.key). Keep it too."
        )
    if removed:
        say(f"Removed {len(removed)} older ones.")
