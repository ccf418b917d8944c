"""`rheod serve`: settings, log and systemd's socket made ready, then the daemon's whole life (`rheod.app`)."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TextIO

import structlog

from rheod import app, logs
from rheod.commands import FAILED, OK
from rheod.commands.asking import load
from rheod.domain.errors import RheodError
from rheod.notify import Notifier
from rheod.redaction import redact_values
from rheod.settings import secret_values

YOUNG_OBJECTS = 20_000
"""Objects made between two looks for cycles. At Python's 700 a tenth of a busy daemon's time went into looking, and what
is there when it is ready, which is frozen, was looked through again and again."""

_log = structlog.get_logger(__name__)


def serve(arguments: Namespace) -> int:
    """Run in the foreground until SIGTERM or SIGINT; raises RheodError when it cannot start or a loop ended."""
    settings = load(arguments)
    journald = _writes_to_journal(os.environ, sys.stdout)
    output = logs.configure(
        format=settings.log.format, level=settings.log.level, stream=sys.stdout, journald=journald
    )
    redact_values(secret_values(settings))
    # taken out, so that no child can speak for the daemon
    notifier = Notifier(os.environ.pop("NOTIFY_SOCKET", None))
    _warn_of_proxies(os.environ)
    try:
        gc.set_threshold(YOUNG_OBJECTS)
        asyncio.run(app.serve(settings, notifier=notifier, started=lambda _port: gc.freeze()))
    except RheodError:
        raise
    except Exception:  # noqa: BLE001 - the last place that can say what ended the daemon
        _log.critical("rheod ends after an error of its own", exc_info=True)
        return FAILED
    finally:
        output.close()
    return OK


def _writes_to_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether this very stream goes to the journal: systemd names its device and inode (systemd.exec(5))."""
    try:
        where = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{where.st_dev}:{where.st_ino}"


def _warn_of_proxies(environ: Mapping[str, str]) -> None:
    """A proxy would carry requests past the guard against inner networks, so none is used."""
    wanted = {"http_proxy", "https_proxy", "all_proxy"}
    if found := sorted(name for name in environ if name.lower() in wanted and environ[name]):
        _log.warning("proxy variables are ignored: rheod connects directly", variables=", ".join(found))
