"""The command `rheod`: what there is to type, and how a command's end becomes an exit status.

A command's module is imported when that command is used: `rheod version` must answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import rheod
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.command import Command, LazyGroup, with_json
from rheod.cli.printing import note, say, say_json
from rheod.domain.errors import RheodError

_INTERRUPTED = 130
_COMMANDS = {
    "serve": ("rheod.cli.serve:serve", "run the daemon in the foreground"),
    "demo": ("rheod.cli.serve:demo", "the whole loop on this machine, without accounts"),
    "sandbox": ("rheod.cli.serve:sandbox", "only the simulators, to develop against"),
    "config": ("rheod.cli.config:config", "check and show the settings"),
    "keys": ("rheod.cli.keys:keys", "API keys of partners"),
    "admin-token": ("rheod.cli.keys:admin_token", "make and print a new admin token"),
    "support-bundle": (
        "rheod.cli.support_bundle:support_bundle",
        "how this rheod is, in a file for somebody else: no secret, no buyer, no item's text",
    ),
    "setup": ("rheod.cli.installer.setup:setup", "write settings file, folders and units; safe to run twice"),
    "uninstall": ("rheod.cli.installer.uninstall:uninstall", "remove what setup made"),
    "password": ("rheod.cli.keys:password", "make and print a new dashboard password"),
    "items": ("rheod.cli.items:items", "see and publish items"),
    "orders": ("rheod.cli.orders:orders", "see what was sold"),
    "webhooks": ("rheod.cli.webhooks:webhooks", "where events go, and how that went"),
    "tradera": ("rheod.cli.tradera:tradera", "connect sellers by a login at Tradera"),
    "backup": ("rheod.cli.backup:backup", "put a verified copy away, while rheod runs"),
    "restore": ("rheod.cli.restore:restore", "begin anew from a backup, with rheod stopped"),
    "status": ("rheod.cli.status:status", "what runs, what waits and until when"),
    "doctor": ("rheod.cli.doctor:doctor", "look for what is wrong, each with its fix"),
    "healthcheck": ("rheod.cli.doctor:healthcheck", "exit status 0 when the daemon is well"),
    "version": ("rheod.cli.main:version", "the version of this program"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    if sys.flags.optimize:
        note(
            "rheod: does not run with python -O or PYTHONOPTIMIZE: its safety checks would be gone. Unset it"
        )
        return WRONG_USAGE
    os.umask(0o077)  # what rheod keeps is its own user's alone, also where no unit says so
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status: int = root.main(argv, prog_name="rheod", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        message, context = error.format_message(), error.ctx if isinstance(error, click.UsageError) else None
        path = "rheod" if context is None else context.command_path
        note(f"rheod: {message}{'' if message.endswith(('.', '?')) else '.'} See: {path} --help")
        return WRONG_USAGE
    except RheodError as error:
        for line in str(error).splitlines():
            note(f"rheod: {line}")
        return error.status if isinstance(error, CommandFailed) else FAILED
    except BrokenPipeError:  # `rheod items list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    return status


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 healthy but needs attention.",
)
@click.version_option(rheod.__version__, message="rheod %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """Sells a reseller's items on Tradera."""
    if context.invoked_subcommand is None:
        say(context.get_help())
    return OK


@click.command(cls=Command, uses_settings=False)
@with_json
def version(*, as_json: bool) -> int:
    """Print the version of this program."""
    if as_json:
        say_json({"version": rheod.__version__})
    else:
        say(f"rheod {rheod.__version__}")
    return OK
