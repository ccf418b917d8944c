"""`rheod serve`: makes settings, log and systemd's socket ready, then runs the daemon (`rheod.daemon`).

`rheod demo` and `rheod sandbox` are here too; both need the extra packages of `[sandbox]` in pyproject.toml.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import click
import structlog

from rheod import daemon
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import load
from rheod.cli.main import Command, Options, pass_options, with_json
from rheod.compose.remotes import Remotes
from rheod.config.loading import secret_values
from rheod.domain.errors import RheodError
from rheod.health.machine import SdNotify
from rheod.logs import setup
from rheod.logs.redaction import redact_values
from rheod.sandbox.demo_daemon import enter_clean_environment

YOUNG_OBJECTS = 20_000
"""Objects made between two runs of the collector of cycles. At Python's 700 a tenth of a busy daemon's time went there,
most of it for objects that are there when it is ready; those are frozen."""

_log = structlog.get_logger(__name__)


@click.command(cls=Command)
@pass_options
def serve(options: Options) -> int:
    """Run the daemon in the foreground.

    It stops in order at SIGTERM or SIGINT. It ends with a sentence and status 1 when it cannot start or a loop ended.
    """
    settings = load(options)
    journald = _writes_to_journal(os.environ, sys.stdout)
    output = setup.configure(
        format=settings.log.format, level=settings.log.level, stream=sys.stdout, journald=journald
    )
    redact_values(secret_values(settings))
    # taken out, so that no child can speak for the daemon
    notifier = SdNotify(os.environ.pop("NOTIFY_SOCKET", None))
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    if found := sorted(name for name, value in os.environ.items() if name.lower() in proxies and value):
        # one would carry requests past the guard against inner networks
        _log.warning("proxy variables are ignored: rheod connects directly", variables=", ".join(found))
    try:
        gc.set_threshold(YOUNG_OBJECTS)
        asyncio.run(
            daemon.serve(settings, remotes=Remotes(systemd=notifier), started=lambda _port: gc.freeze())
        )
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


_EXTRA = ("moto", "flask", "openapi_schema_validator")


@click.command(cls=Command, uses_settings=False)
@click.option("--once", is_flag=True, help="End when the loop has closed.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the data and the log in this empty folder.",
)
@with_json
def demo(*, once: bool, keep: Path | None, as_json: bool) -> int:
    """Show the whole loop on this machine, without accounts.

    Simulators stand for Tradera, its queue and a shop; the daemon between them is the real one. It stays up until
    Ctrl-C. With --once the exit status is 0 when the loop closed, and 1 names the step that did not.
    """
    _require_extra()
    from rheod.sandbox.demo import run_demo  # noqa: PLC0415 - after the check, so that the hint comes first

    if keep is not None and keep.exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise CommandFailed(
            f"--keep {keep} is there and not an empty folder: name a new one", status=WRONG_USAGE
        )
    enter_clean_environment()
    return asyncio.run(run_demo(once=once, as_json=as_json, keep=keep))


@click.command(cls=Command, uses_settings=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8090,
    help="The simulated Tradera's port, the shop and the queue on the next two (default 8090; 0: any).",
)
def sandbox(*, port: int) -> int:
    """Run only the simulators, to develop against.

    It prints the settings that point a rheod at them, the same at every start, and runs until Ctrl-C.
    """
    _require_extra()
    from rheod.sandbox.sandbox import run_sandbox  # noqa: PLC0415 - as above

    enter_clean_environment()
    return asyncio.run(run_sandbox(port))


def _require_extra() -> None:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise CommandFailed(
            f"The simulators need {', '.join(missing)}: run `{sys.executable} -m pip install -r requirements.lock` in"
            " your clone of rheod"
        )
