"""How this rheod is set and how it is, as it may be shown: `rheod config` for its owner, `rheod support-bundle` for somebody else.

The bundle has no secret, no buyer and no item's text. Numbers, times, codes and our own constants may leave the machine, by
the name of their field; nothing else. The scrubber does not look for secrets, it keeps what is known to be none: of any other
text only the length is kept.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import click

import rheod
from rheod.cli import OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon
from rheod.cli.health import examine
from rheod.cli.main import (
    Command,
    Group,
    Options,
    pass_options,
    say,
    say_json,
    say_table,
    settings_of,
    with_json,
)
from rheod.config import loading
from rheod.config.sections import Storage
from rheod.config.settings import Settings
from rheod.logs import redact, redact_values


@click.group(cls=Group)
def config() -> None:
    """Check and show the settings."""


@config.command()
@with_json
@pass_options
def check(options: Options, *, as_json: bool) -> int:
    """Name everything that is wrong.

    Every wrong setting is named at once, with its fix; the exit status is then 2. Warnings do not change it.
    """
    try:
        settings = settings_of(options)
        _require_folder(settings)
    except CommandFailed as error:
        if as_json:
            say_json({"ok": False, "problems": str(error).splitlines()})
        raise
    warnings, missing = loading.warnings(settings), loading.missing_at_start(settings)
    if as_json:
        say_json({"ok": True, "warnings": warnings, "publishingWaitsFor": missing})
        return OK
    say("The settings are right.")
    for sentence in warnings:
        say(f"warning: {sentence}")
    if missing:
        say(f"Publishing will wait until these are set: {', '.join(missing)}")
    return OK


def _require_folder(settings: Settings) -> None:
    """CommandFailed when `storage.path` names what is no folder; the default's is made by setup or by systemd."""
    folder, origin = settings.storage.path, settings.origin(("storage", "path"))
    if not folder.exists():
        if folder == Storage.model_fields["path"].default:
            return
        wrong = f"there is no folder {folder}; mend the path, or make it: `install -d -m 700 -o rheod -g rheod {folder}`"
    elif not folder.is_dir():
        wrong = f"{folder} is not a folder; name another one"
    else:
        return
    raise CommandFailed(f"storage.path ({origin}): {wrong}", status=WRONG_USAGE)


@config.command()
@with_json
@pass_options
def show(options: Options, *, as_json: bool) -> int:
    """Show the settings in force and where they come from.

    Secrets are shown as stars.
    """
    values = loading.masked(settings_of(options))
    if as_json:
        say_json(values)
        return OK
    say_table(("SETTING", "VALUE", "FROM"), ([key, one["value"], one["from"]] for key, one in values.items()))
    return OK


@config.command(uses_settings=False)
@click.option("--json", is_flag=True, hidden=True, expose_value=False)
def schema() -> int:
    """Print the settings file's JSON Schema, for editors."""
    say_json(loading.Settings.model_json_schema())
    return OK


_PLAIN = frozenset(
    {
        *("version", "now", "startedAt", "lastAnswer", "lastPushMessage", "publishingWaitsFor", "until"),
        *(
            "code",
            "mood",
            "state",
            "what",
            "since",
            "id",
            "checked",
            "timestamp",
            "level",
            "logger",
            "method",
        ),
        *("route", "request_id", "loop", "lane", "queue", "kind", "operation", "endpoint_id", "listing_id"),
        *("account_id", "exc_type", "filename", "name", "module", "sqlite_version"),
    }
)
"""Fields whose text rheod or systemd made itself: times, codes, our ids, names of places in the program."""

_PLACE = re.compile(r"[\w./:{}^\[\]+?*-]{1,200}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")
_ERROR = re.compile(r"[A-Za-z]{1,40}(?:Error|Exception|Timeout)")
_SETTING = re.compile(r"rheod: [\w.\[\]]+ \((?:file|credential|environment|default|settings)[^)]*\): .*")
_PORT = re.compile(r"rheod: Cannot listen on .*")


def scrub(value: Any, name: str = "") -> Any:
    """The value with every text replaced by its length, but for those fields that hold no more than codes."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {
            key if _FIELD.fullmatch(key) else _left_out(key): scrub(item, key)
            for key, item in ((str(key), item) for key, item in value.items())
        }
    if isinstance(value, list | tuple):
        return [scrub(item, name) for item in value]
    text = str(value)
    if (name in _PLAIN and (_PLACE.fullmatch(text) or name == "checked")) or _ERROR.fullmatch(text):
        return text
    return _left_out(text)


def _left_out(text: str) -> str:
    """What stands for a text."""
    return f"({len(text)} characters)"


def scrub_line(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `journalctl -o json`: our own lines field by field, systemd's as they are, of others the length."""
    at, message = str(entry.get("__REALTIME_TIMESTAMP", "")), entry.get("MESSAGE")
    text = message if isinstance(message, str) else ""
    kept: dict[str, Any] = {"at": int(at) // 1000 if at.isascii() and at.isdecimal() else None}
    if entry.get("SYSLOG_IDENTIFIER") == "systemd":
        return kept | {"systemd": text}
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        return kept | {"text": text if _SETTING.fullmatch(text) or _PORT.fullmatch(text) else _left_out(text)}
    event, logger = str(line.pop("event", "")), str(line.get("logger", ""))
    # our own event is a constant; what varies is in the other fields
    kept["event"] = event if logger.partition(".")[0] == "rheod" else _left_out(event)
    kept.update(scrub(line))
    return kept


_JOURNAL_LINES = 2_000
_JOURNAL_S = 30
_FOLDER = "rheod-support"
_OWN_TEXT = ("settings.", "folder.", "files.", "images.", "schema.", "port.", "store.")
"""Findings whose sentence has our own text and this machine's paths alone."""

_NAMED = ("alerts.command", "alerts.mail_to", "alerts.mail_from", "alerts.smtp_user", "accounts")
"""Settings that are no secrets and still nobody else's business."""

_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")


@click.command(cls=Command)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path), help="The .tar.gz to write.")
@pass_options
def support_bundle(options: Options, *, file: Path) -> int:
    """Write how this rheod is into a file for somebody else.

    No secret, no buyer and no item's text is in it. Only you may read the file; one that is there is not replaced.
    """
    parts = gather(options)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}; name another file", status=WRONG_USAGE) from error
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in parts.items():
            raw = text.encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{_FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(raw), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(raw))
    say(f"Wrote {file}: {', '.join(parts)}. Look into it before you send it: tar -xOzf {file} | less")
    return OK


def gather(options: Options) -> dict[str, str]:
    """The bundle's files by name; what cannot be had says why in its place."""
    with suppress(CommandFailed):
        redact_values(loading.secret_values(settings_of(options)))
    report = examine(options, online=False)
    found = [
        {**scrub(one), **({"text": one["text"]} if one["code"].startswith(_OWN_TEXT) else {})}
        for one in report.findings
    ]
    parts: dict[str, Callable[[], Any]] = {
        "about.json": _about,
        "config.json": lambda: _config(options),
        "status.json": lambda: scrub(ask_daemon(options, "GET", "/status")),
        "doctor.json": lambda: {"findings": found, "checked": report.checked},
        "database.json": lambda: ask(options, "GET", "/inspection"),
        "journal.json": _journal,
    }
    if {one["code"].partition(".")[0] for one in report.findings} & {"schema", "store", "settings"}:
        # what is damaged or of another version is not opened: that could change it
        del parts["database.json"]
    texts = {}
    for name, make in parts.items():
        try:
            made = make()
        except CommandFailed as error:
            made = {"notAvailable": str(error)}
        if isinstance(made, list):
            texts[name] = "".join(clean(json.dumps(line, ensure_ascii=False)) + "\n" for line in made)
        else:
            texts[name] = clean(json.dumps(made, ensure_ascii=False, indent=1))
    return texts


def clean(text: str) -> str:
    """A last look, line by line, for what should not be there: known secrets, credentials' shapes, mail addresses."""
    return "\n".join(_MAIL.sub("***@***", redact(line)) for line in text.splitlines())


def _about() -> dict[str, Any]:
    names = ("aiohttp", "aiosqlite", "aiobotocore", "pydantic", "pillow", "cryptography", "structlog")
    return {
        "rheod": rheod.__version__,
        "python": sys.version,
        "system": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "packages": {name: metadata.version(name) for name in names},
        "at": round(time.time() * 1000),
        "user": os.geteuid(),
    }


def _config(options: Options) -> dict[str, Any]:
    """As `rheod config show`, and less: names and addresses of people, and what the alert command is given."""
    values = loading.masked(settings_of(options))
    for name in _NAMED:
        if (one := values.get(name)) and one["value"]:
            one["value"] = f"set ({len(one['value'])})"
    return values


def _journal() -> list[dict[str, Any]]:
    command = ["journalctl", "-u", "rheod", "-n", str(_JOURNAL_LINES), "-o", "json", "--no-pager"]
    try:
        ended = subprocess.run(  # noqa: S603 - journalctl with our own arguments
            command, capture_output=True, timeout=_JOURNAL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"journalctl did not answer: {type(error).__name__}") from error
    if ended.returncode != 0:
        raise CommandFailed(f"journalctl ended with status {ended.returncode}")
    found = []
    for raw in ended.stdout.splitlines():
        try:
            entry = json.loads(raw)
        except ValueError:
            continue
        found.append(scrub_line(entry))
    return found
