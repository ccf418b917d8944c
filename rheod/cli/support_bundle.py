"""`rheod support-bundle`: one file that tells somebody else how this rheod is, without a secret, a buyer or an item's text.

What may leave the machine in a support bundle: numbers, times, codes and our own words, by name; nothing else.

It does not look for secrets, it keeps what is known to be none: of any other text only the length is told.
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
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import rheod
from rheod.cli import OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask, ask_daemon, load
from rheod.cli.doctor import look
from rheod.cli.printing import say
from rheod.config import loading as owner
from rheod.logs.redaction import redact, redact_values

OURS = "rheod"
_PLAIN = frozenset(
    {
        *("version", "now", "startedAt", "lastAnswer", "lastPushMessage", "publishingWaitsFor", "until"),
        *("code", "mood", "state", "what", "since", "id", "checked"),
        *(
            "timestamp",
            "level",
            "logger",
            "method",
            "route",
            "request_id",
            "loop",
            "lane",
            "kind",
            "operation",
        ),
        *(
            "endpoint_id",
            "listing_id",
            "account_id",
            "exc_type",
            "filename",
            "name",
            "module",
            "sqlite_version",
        ),
    }
)
"""Fields whose text rheod or systemd made itself: times, codes, our ids, names of places in the program."""

_PLACE = re.compile(r"[\w./:{}^\[\]+?*-]{1,200}")
_ERROR = re.compile(r"[A-Za-z]{1,40}(?:Error|Exception|Timeout)")
_SETTING = re.compile(r"rheod: [\w.\[\]]+ \((?:file|credential|environment|default|settings)[^)]*\): .*")
_PORT = re.compile(r"rheod: Cannot listen on .*")


def sieve(value: Any, name: str = "") -> Any:
    """The value with every text replaced by its length, but for those fields that hold no more than codes."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {_field(str(key)): sieve(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [sieve(item, name) for item in value]
    return _text(str(value), name)


def _field(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][A-Za-z_]{0,40}", name) else left_out(name)


def _text(text: str, name: str) -> str:
    if (name in _PLAIN and (_PLACE.fullmatch(text) or name == "checked")) or _ERROR.fullmatch(text):
        return text
    return left_out(text)


def left_out(text: str) -> str:
    """What stands for a text."""
    return f"({len(text)} characters)"


def sieve_line(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `journalctl -o json`: our own lines field by field, systemd's words, of others the length."""
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
        return kept | {"text": text if _SETTING.fullmatch(text) or _PORT.fullmatch(text) else left_out(text)}
    event, logger = str(line.pop("event", "")), str(line.get("logger", ""))
    known = (
        logger.partition(".")[0] == OURS
    )  # our own event is a constant; what varies is in the other fields
    kept["event"] = event if known else left_out(event)
    kept.update(sieve(line))
    return kept


_JOURNAL_LINES = 2_000
_JOURNAL_S = 30
_FOLDER = "rheod-support"
_OWN_TEXT = ("settings.", "folder.", "files.", "images.", "schema.", "port.", "store.")
"""Findings whose sentence is made of our own words and this machine's paths."""

_NAMED = ("alerts.command", "alerts.mail_to", "alerts.mail_from", "alerts.smtp_user", "accounts")
"""Settings that are no secrets and still nobody else's business."""

_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")


def bundle(arguments: Namespace) -> int:
    """`rheod support-bundle FILE`: written for its owner's eyes alone; a file that is there is not replaced."""
    file = Path(arguments.file)
    parts = gather(arguments)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}; name another file", status=WRONG_USAGE) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pack(parts))
    say(f"Wrote {file}: {', '.join(parts)}. Look into it before you send it: tar -xOzf {file} | less")
    return OK


def gather(arguments: Namespace) -> dict[str, str]:
    """The bundle's files by name; what cannot be had says why in its place."""
    secrets = _known_secrets(arguments)
    redact_values(secrets)
    examined = look(arguments, online=False)
    codes = {one["code"].partition(".")[0] for one in examined["findings"]}
    parts = {
        "about.json": _about,
        "config.json": lambda: _config(arguments),
        "status.json": lambda: sieve(ask_daemon(arguments, "GET", "/status")),
        "doctor.json": lambda: _doctor(examined),
        # a file that is damaged or of another version is not opened: that could change it
        **(
            {} if codes & {"schema", "store", "settings"} else {"database.json": lambda: _database(arguments)}
        ),
        "journal.json": _journal,
    }
    return {name: _told(make) for name, make in parts.items()}


def _told(make: Callable[[], Any]) -> str:
    try:
        made = make()
    except CommandFailed as error:
        made = {"notAvailable": str(error)}
    if not isinstance(made, list):
        return clean(json.dumps(made, ensure_ascii=False, indent=1))
    return "".join(clean(json.dumps(line, ensure_ascii=False)) + "\n" for line in made)


def clean(text: str) -> str:
    """A last look, line by line, for what should not be there: known secrets, credentials' shapes, mail addresses."""
    return "\n".join(_MAIL.sub("***@***", redact(line)) for line in text.splitlines())


def _known_secrets(arguments: Namespace) -> list[str]:
    try:
        return owner.secret_values(load(arguments))
    except CommandFailed:
        return []


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


def _config(arguments: Namespace) -> dict[str, Any]:
    """As `rheod config show`, and less: names and addresses of people, and what the alert command is given."""
    values = owner.masked(load(arguments))
    for name in _NAMED:
        if (one := values.get(name)) and one["value"]:
            one["value"] = f"set ({len(one['value'])})"
    return values


def _doctor(examined: dict[str, Any]) -> dict[str, Any]:
    found = [
        {**sieve(one), **({"text": one["text"]} if one["code"].startswith(_OWN_TEXT) else {})}
        for one in examined["findings"]
    ]
    return {"findings": found, "checked": examined["checked"]}


def _database(arguments: Namespace) -> Any:
    return ask(arguments, "GET", "/inspection")


def _journal() -> list[dict[str, Any]]:
    command = ["journalctl", "-u", "rheod", "-n", str(_JOURNAL_LINES), "-o", "json", "--no-pager"]
    try:
        ended = subprocess.run(  # noqa: S603 - journalctl with our own words
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
        found.append(sieve_line(entry))
    return found


def pack(parts: dict[str, str]) -> bytes:
    """The parts as a tar.gz."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, text in parts.items():
            raw = text.encode("utf-8", "backslashreplace")
            entry = tarfile.TarInfo(f"{_FOLDER}/{name}")
            entry.size, entry.mode, entry.mtime = len(raw), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(raw))
    return whole.getvalue()
