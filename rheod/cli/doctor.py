"""`rheod doctor` and `rheod healthcheck`: what is wrong, each with its fix; exit status 3 when something is.

What lies on this machine is looked at here; the rest is asked of the daemon, or of the file when none runs.
"""

from __future__ import annotations

import socket
import stat
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask, ask_daemon, load
from rheod.cli.printing import note, say, say_json

if TYPE_CHECKING:
    from rheod.config.settings import Settings


_SECRET_FILES = ("rheod.db", "rheod.db-wal", "rheod.db-shm", "secret.key", "admin.sock")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_VERSION_PLACE = 60
"""Where a database file's header holds `user_version`, four bytes, big-endian (sqlite.org/fileformat2.html)."""


@dataclass(slots=True)
class _Report:
    """What was found and what was looked at."""

    findings: list[dict[str, Any]]
    checked: list[str]
    calls: int = 0

    def add(self, code: str, text: str, fix: str, *, mood: str = "bad") -> None:
        """A finding of this machine."""
        self.findings.append({"code": code, "mood": mood, "subject": "", "text": text, "fix": fix})


def examine(arguments: Namespace) -> int:
    """`rheod doctor`: exit status 0 when nothing is wrong, 3 when something is."""
    report = _looked(arguments, online=arguments.online)
    if arguments.json:
        say_json(_as_json(report))
    else:
        _say_to_people(report)
    return NEEDS_ATTENTION if report.findings else OK


def look(arguments: Namespace, *, online: bool) -> dict[str, Any]:
    """The same without a word printed, as plain JSON."""
    return _as_json(_looked(arguments, online=online))


def _as_json(report: _Report) -> dict[str, Any]:
    return {"findings": report.findings, "checked": report.checked, "calls": report.calls}


def _looked(arguments: Namespace, *, online: bool) -> _Report:
    report = _Report([], ["the settings"])
    try:
        settings = load(arguments)
    except CommandFailed as error:
        for line in str(error).splitlines():
            report.add("settings.wrong", line, "Mend it in the settings file, then `rheod config check`")
        return report
    running = _is_running(arguments)
    _files(settings, report, running=running)
    old = not running and _schema_differs(settings, report)
    if not running:
        _port(settings, report)
    if not old:
        _ask(arguments, report, online=online)
    return report


def healthcheck(arguments: Namespace) -> int:
    """`rheod healthcheck`: 0 when the daemon runs, its database answers and every loop lives; else 1 with the reason."""
    try:
        ask_daemon(arguments, "GET", "/health")
    except CommandFailed as error:
        note(f"rheod: {error}")
        return FAILED
    return OK


def _is_running(arguments: Namespace) -> bool:
    try:
        ask_daemon(arguments, "GET", "/version")
    except NotRunning:
        return False
    return True


def _ask(arguments: Namespace, report: _Report, *, online: bool) -> None:
    try:
        answer = ask(arguments, "POST", "/doctor?online=1" if online else "/doctor")
    except CommandFailed as error:
        report.add("store.closed", str(error), "Mend that first, then run `rheod doctor` again")
        return
    report.findings += answer["findings"]
    report.checked += answer["checked"]
    report.calls = answer["calls"]


def _files(settings: Settings, report: _Report, *, running: bool) -> None:
    """Nobody but rheod's user may read what it keeps; root looks at them too."""
    folder = settings.storage.path
    report.checked.append(f"the files in {folder}")
    if not folder.is_dir():
        report.add(
            "folder.missing",
            f"There is no data folder {folder}",
            "Start rheod once, or `rheod setup --systemd`; or set storage.path",
            mood="busy",
        )
        return
    for file in _open_to_others(folder):
        mode = "700" if file.is_dir() else "600"
        report.add("files.open", f"Others than rheod can reach {file}", f"Run `chmod {mode} {file}`")
    if (folder / "rheod.db").exists() and not (folder / "images").is_dir():
        fix = (
            "Restart rheod: it makes the folder anew" if running else "Start rheod: it makes the folder anew"
        )
        report.add("images.missing", f"The folder of pictures {folder / 'images'} is missing", fix)


def _open_to_others(folder: Path) -> Iterator[Path]:
    for file in (folder, *(folder / name for name in _SECRET_FILES)):
        try:
            mode = file.lstat().st_mode
        except OSError:
            continue
        if mode & _OTHERS:
            yield file


def _schema_differs(settings: Settings, report: _Report) -> bool:
    """An old schema is brought up at the next start; the examination must not do that by looking."""
    from rheod.store.migrations import scripts  # noqa: PLC0415 - light commands do without the store

    report.checked.append("the database's schema")
    try:
        header = (settings.storage.path / "rheod.db").read_bytes()[:100]
    except OSError:
        return False
    if len(header) < _VERSION_PLACE + 4:
        return False
    found, wanted = int.from_bytes(header[_VERSION_PLACE : _VERSION_PLACE + 4], "big"), scripts()[-1][0]
    if found < wanted:
        report.add(
            "schema.old",
            f"The database has schema {found}; this rheod wants {wanted}",
            "Start rheod: it copies the database and brings it up",
            mood="busy",
        )
    elif found > wanted:
        report.add(
            "schema.new",
            f"The database has schema {found}; this rheod only knows {wanted}",
            "Install the newer rheod that made it, or restore a backup of before",
        )
    return found != wanted


def _port(settings: Settings, report: _Report) -> None:
    """Without a daemon the port must be free for it."""
    host, port = settings.server.host, settings.server.port
    report.checked.append(f"the port {host}:{port}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            report.add(
                "port.taken",
                f"rheod could not listen on {host}:{port}: {error.strerror or error}",
                "Stop what uses it (`ss -ltnp` shows it), or set server.port",
            )


def _say_to_people(report: _Report) -> None:
    for one in report.findings:
        say(f"{'BAD ' if one['mood'] == 'bad' else 'note'}  {one['text']}")
        say(f"      fix: {one['fix']}")
    looked_at = ", ".join(dict.fromkeys(report.checked))
    say(f"{'Also looked' if report.findings else 'All is well. Looked'} at: {looked_at}.")
    if report.calls:
        say(f"It took {report.calls} Tradera calls.")
