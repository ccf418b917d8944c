"""`rheod status`: what runs, what waits and until when; exit status 3 when the owner should look.

`rheod doctor` and `rheod healthcheck`: what is wrong, each with its fix; exit status 3 when something is.

What lies on this machine is looked at here; the rest is asked of the daemon, or of the file when none runs.
"""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from rheod.cli import FAILED, NEEDS_ATTENTION, OK, CommandFailed
from rheod.cli.daemon_client import NotRunning, ask, ask_daemon
from rheod.cli.main import (
    Command,
    Options,
    note,
    pass_options,
    say,
    say_json,
    say_pairs,
    settings_of,
    with_json,
)

if TYPE_CHECKING:
    from rheod.config.settings import Settings


@click.command(cls=Command)
@with_json
@pass_options
def status(options: Options, *, as_json: bool) -> int:
    """Show what runs, what waits and until when.

    It needs a running daemon. The exit status is 3 when something needs you.
    """
    answer = ask_daemon(options, "GET", "/status")
    found = attention(answer)
    if as_json:
        say_json({**answer, "attention": found})
    else:
        say_pairs(_lines(answer))
        for sentence in found:
            say(f"ATTENTION: {sentence}")
    return NEEDS_ATTENTION if found else OK


def attention(answer: dict[str, Any]) -> list[str]:
    """What needs the owner, in sentences with what to do."""
    found = [f"{one['text']}{_since(one)}. {one['fix']}" for one in answer["findings"]]
    left = [
        account
        for account in answer["accounts"]
        if account["state"] == "removed" and (account["publishingsWaiting"] or account["salesWaiting"])
    ]
    return found + [
        f"{account['salesWaiting']} sales and {account['publishingsWaiting']} publishings wait"
        f" for {'account ' + account['reference'] if account['reference'] else 'your own account'}:"
        f" {account['reason']}"
        for account in left
    ]


def _since(finding: dict[str, Any]) -> str:
    """Since when something waits and when it is tried again, where that is known."""
    words = [
        f"{word} {finding[name]}"
        for name, word in (("since", "since"), ("nextTry", "next try"))
        if finding.get(name)
    ]
    if finding.get("waitsForYou"):
        words.append("goes on when you have seen to it")
    return f" ({', '.join(words)})" if words else ""


def _lines(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    budget, push = answer["budget"], answer["push"]
    push_state = f"last answer {push['lastAnswer'] or 'not yet'}" if push["configured"] else "no queue set"
    return [
        ("version", answer["version"]),
        ("items", _counts(answer["items"])),
        ("not published", answer["itemsNotPublished"]),
        ("jobs waiting", _counts(answer["jobs"])),
        ("jobs running", _counts(answer["running"])),
        ("Tradera quota", budget["text"]),
        *(("calls in 24 h", _method(one)) for one in budget["methods"]),
        *(("account", _account(one)) for one in answer["accounts"]),
        *(
            ("pause", f"{one['what']} until {one['until']}: {one['reason']}")
            for one in answer["pauses"]
            if one["what"] != "account"
        ),
        ("push", push_state),
        ("last push message", answer["lastPushMessage"]),
        ("push messages", _counts(answer["inbox"])),
        ("unmatched sales", answer["unmatchedSales"]),
    ]


def _method(use: dict[str, Any]) -> str:
    """A method's limit in a line: how much of it is used, and when it frees."""
    text = f"{use['method']} {use['used']} of {use['limit']}"
    if use["learned"]:
        text += " (learned from Tradera's refusals)"
    if use["restsUntil"]:
        return f"{text}, rests until {use['restsUntil']}"
    return f"{text}, the first comes free {use['freesAt']}" if use["freesAt"] else text


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items() if number) or "none"


def _account(account: dict[str, Any]) -> str:
    """One account in a line: what it does, and what of it waits."""
    text = f"{account['reference'] or '(your own)'} {account['state']}"
    if account["until"]:
        text += f" until {account['until']}"
    if account["userId"]:
        text += f", Tradera user {account['userId']}"
    text += f", {account['callsUsed']} calls"
    if account["publishingsWaiting"]:
        text += f", {account['publishingsWaiting']} publishings wait"
    if account["salesWaiting"]:
        text += f", {account['salesWaiting']} sales to look up"
    return text


_SECRET_FILES = ("rheod.db", "rheod.db-wal", "rheod.db-shm", "secret.key", "admin.sock")
_VERSION_PLACE = 60
"""Where a database file's header holds `user_version`: four bytes, big-endian (SQLite's file format, 1.3)."""


@dataclass(slots=True)
class Report:
    """What was found, what was looked at, and how many Tradera calls it took."""

    findings: list[dict[str, Any]]
    checked: list[str]
    calls: int = 0

    def add(self, code: str, text: str, fix: str, *, mood: str = "bad") -> None:
        """Add a finding of this machine."""
        self.findings.append({"code": code, "mood": mood, "subject": "", "text": text, "fix": fix})


@click.command(cls=Command)
@click.option("--online", is_flag=True, help="Ask Tradera too; it costs a few of its calls.")
@with_json
@pass_options
def doctor(options: Options, *, online: bool, as_json: bool) -> int:
    """Look for what is wrong, each with its fix.

    The exit status is 0 when nothing is wrong, and 3 when something is.
    """
    report = examine(options, online=online)
    if as_json:
        say_json(asdict(report))
        return NEEDS_ATTENTION if report.findings else OK
    for one in report.findings:
        say(f"{'BAD ' if one['mood'] == 'bad' else 'note'}  {one['text']}{_since(one)}")
        say(f"      fix: {one['fix']}")
    looked_at = ", ".join(dict.fromkeys(report.checked))
    say(f"{'Also looked' if report.findings else 'All is well. Looked'} at: {looked_at}.")
    if report.calls:
        say(f"It took {report.calls} Tradera calls.")
    return NEEDS_ATTENTION if report.findings else OK


@click.command(cls=Command)
@pass_options
def healthcheck(options: Options) -> int:
    """End with exit status 0 when the daemon is well.

    That is: it runs, its database answers and can be written, and every loop lives. Else the exit status is 1, and the reason is printed.
    """
    try:
        ask_daemon(options, "GET", "/health")
    except CommandFailed as error:
        note(f"rheod: {error}")
        return FAILED
    return OK


def examine(options: Options, *, online: bool) -> Report:
    """Look at this machine, then ask the daemon or the file; prints nothing."""
    report = Report([], ["the settings"])
    try:
        settings = settings_of(options)
    except CommandFailed as error:
        for line in str(error).splitlines():
            report.add("settings.wrong", line, "Mend it in the settings file, then `rheod config check`")
        return report
    try:
        ask_daemon(options, "GET", "/version")
        running = True
    except NotRunning:
        running = False
    _check_files(settings, report, running=running)
    if not running:
        differs = _schema_differs(settings, report)
        _check_port(settings, report)
        if differs:
            return report
    try:
        answer = ask(options, "POST", "/doctor?online=1" if online else "/doctor")
    except CommandFailed as error:
        report.add("store.closed", str(error), "Mend that first, then run `rheod doctor` again")
        return report
    report.findings += answer["findings"]
    report.checked += answer["checked"]
    report.calls = answer["calls"]
    return report


def _check_files(settings: Settings, report: Report, *, running: bool) -> None:
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
    for file in (folder, *(folder / name for name in _SECRET_FILES)):
        with suppress(OSError):
            if file.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                mode = "700" if file.is_dir() else "600"
                report.add("files.open", f"Others than rheod can reach {file}", f"Run `chmod {mode} {file}`")
    if (folder / "rheod.db").exists() and not (folder / "images").is_dir():
        fix = (
            "Restart rheod: it makes the folder anew" if running else "Start rheod: it makes the folder anew"
        )
        report.add("images.missing", f"The folder of pictures {folder / 'images'} is missing", fix)


def _schema_differs(settings: Settings, report: Report) -> bool:
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


def _check_port(settings: Settings, report: Report) -> None:
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
