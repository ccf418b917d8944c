"""`rheod serve`: settings, log and systemd's socket made ready, then the daemon's whole life (`rheod.daemon`).

`rheod demo` and `rheod sandbox`: both need the extra packages of `rheod[sandbox]`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import structlog

from rheod import daemon
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import load
from rheod.config.loading import secret_values
from rheod.domain.errors import RheodError
from rheod.health.sd_notify import SdNotify
from rheod.logs import setup
from rheod.logs.redaction import redact_values
from rheod.sandbox.demo_daemon import enter_clean_environment

YOUNG_OBJECTS = 20_000
"""Objects made between two looks for cycles. At Python's 700 a tenth of a busy daemon's time went into looking, and what
is there when it is ready, which is frozen, was looked through again and again."""

_log = structlog.get_logger(__name__)


def serve(arguments: Namespace) -> int:
    """Run in the foreground until SIGTERM or SIGINT; raises RheodError when it cannot start or a loop ended."""
    settings = load(arguments)
    journald = _writes_to_journal(os.environ, sys.stdout)
    output = setup.configure(
        format=settings.log.format, level=settings.log.level, stream=sys.stdout, journald=journald
    )
    redact_values(secret_values(settings))
    # taken out, so that no child can speak for the daemon
    notifier = SdNotify(os.environ.pop("NOTIFY_SOCKET", None))
    _warn_of_proxies(os.environ)
    try:
        gc.set_threshold(YOUNG_OBJECTS)
        asyncio.run(daemon.serve(settings, notifier=notifier, started=lambda _port: gc.freeze()))
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


_EXTRA = ("moto", "flask", "openapi_schema_validator")


def demo(arguments: Namespace) -> int:
    """`rheod demo`: the whole loop on this machine."""
    _require_extra()
    from rheod.sandbox.demo import run_demo  # noqa: PLC0415 - after the check, so that the hint comes first

    keep = None if arguments.keep is None else Path(arguments.keep)
    if keep is not None and keep.exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise CommandFailed(
            f"--keep {keep} is there and not an empty folder: name a new one", status=WRONG_USAGE
        )
    enter_clean_environment()
    return asyncio.run(run_demo(once=arguments.once, as_json=arguments.json, keep=keep))


def sandbox(arguments: Namespace) -> int:
    """`rheod sandbox`: only the simulators, until Ctrl-C."""
    _require_extra()
    from rheod.sandbox.sandbox import run_sandbox  # noqa: PLC0415 - as above

    enter_clean_environment()
    return asyncio.run(run_sandbox(arguments.port))


def _require_extra() -> None:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise CommandFailed(f"The simulators need {', '.join(missing)}: pip install 'rheod[sandbox]'")
