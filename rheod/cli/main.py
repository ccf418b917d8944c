"""The command `rheod`: what there is to type, and which function of `rheod.cli` does it.

Nothing is imported before it is known what is wanted: `rheod version` must answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import rheod
from rheod.cli import FAILED, OK, WRONG_USAGE, CommandFailed
from rheod.cli.printing import note, say, say_json
from rheod.domain.errors import RheodError

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit status; argparse itself exits with 2 on wrong usage."""
    if sys.flags.optimize:
        note(
            "rheod: does not run with python -O or PYTHONOPTIMIZE: its safety checks would be gone. Unset it"
        )
        return WRONG_USAGE
    os.umask(0o077)  # what rheod keeps is its own user's alone, also where no unit says so
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    arguments = build_parser().parse_args(argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `rheod items list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _run(arguments: argparse.Namespace) -> int:
    module, _, name = arguments.run.partition(":")
    try:
        status: int = getattr(import_module(module), name)(arguments)
    except RheodError as error:
        for line in str(error).splitlines():
            note(f"rheod: {line}")
        return error.status if isinstance(error, CommandFailed) else FAILED
    return status


def version(arguments: argparse.Namespace) -> int:
    """`rheod version`."""
    if arguments.json:
        say_json({"version": rheod.__version__})
    else:
        say(f"rheod {rheod.__version__}")
    return OK


class _Commands:
    """Adds commands to a parser, each with the options that every command has."""

    def __init__(self, parser: argparse.ArgumentParser, metavar: str = "COMMAND") -> None:
        self._added = parser.add_subparsers(metavar=metavar, required=True)

    def add(
        self, name: str, does: str, run: str, *, data: bool = False, account: bool = False
    ) -> argparse.ArgumentParser:
        """A command done by `run` (`module:function`); `data` gives it `--json`, `account` `--account`."""
        command = self._added.add_parser(name, help=does, description=does, allow_abbrev=False)
        _add_config(command, default=argparse.SUPPRESS)
        command.set_defaults(run=run)
        if data:
            command.add_argument("--json", action="store_true", help="print JSON")
        if account:
            text = "the member account with this reference (default: your own account)"
            command.add_argument("--account", metavar="REF", help=text)
        return command

    def group(self, name: str, does: str) -> _Commands:
        """A command of commands."""
        group = self._added.add_parser(name, help=does, description=does, allow_abbrev=False)
        _add_config(group, default=argparse.SUPPRESS)
        return _Commands(group)


def build_parser() -> argparse.ArgumentParser:
    """Everything there is to type."""
    parser = argparse.ArgumentParser(
        prog="rheod",
        description="Sells a reseller's items on Tradera.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong usage or settings, 3 healthy but needs attention.",
        allow_abbrev=False,
    )
    _add_config(parser, default=None)
    commands = _Commands(parser)
    commands.add("serve", "run the daemon in the foreground", "rheod.cli.serve:serve")
    _add_simulations(commands)
    _add_config_commands(commands.group("config", "check and show the settings"))
    _add_keys(commands)
    _add_installing(commands)
    _add_items(commands.group("items", "see and publish items"))
    _add_orders(commands.group("orders", "see what was sold"))
    _add_webhooks(commands.group("webhooks", "where events go, and how that went"))
    _add_tradera(commands.group("tradera", "connect sellers by a login at Tradera"))
    _add_backups(commands)
    commands.add("status", "what runs, what waits and until when", "rheod.cli.status:show", data=True)
    doctor = commands.add(
        "doctor", "look for what is wrong, each with its fix", "rheod.cli.doctor:examine", data=True
    )
    doctor.add_argument("--online", action="store_true", help="ask Tradera too; it costs a few of its calls")
    commands.add("healthcheck", "exit status 0 when the daemon is well", "rheod.cli.doctor:healthcheck")
    commands.add("version", "the version of this program", "rheod.cli.main:version", data=True)
    return parser


def _add_config(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """`--config` before or after the command: what stands later must not be reset by a default."""
    text = "settings file (default: $RHEOD_CONFIG, else /etc/rheod/rheod.toml)"
    parser.add_argument("--config", metavar="FILE", default=default, help=text)


def _add_simulations(commands: _Commands) -> None:
    demo = commands.add(
        "demo",
        "the whole loop on this machine, without accounts",
        "rheod.cli.serve:demo",
        data=True,
    )
    demo.add_argument("--once", action="store_true", help="end when the loop has closed")
    demo.add_argument("--keep", metavar="DIR", help="keep the data and the log in this empty folder")
    sandbox = commands.add("sandbox", "only the simulators, to develop against", "rheod.cli.serve:sandbox")
    sandbox.add_argument("--port", type=_port, default=0, help="the simulated Tradera's port (default: any)")


def _add_config_commands(config: _Commands) -> None:
    config.add("check", "tell everything that is wrong", "rheod.cli.config:check", data=True)
    config.add("show", "the settings in force and where they come from", "rheod.cli.config:show", data=True)
    config.add("schema", "the settings as a JSON Schema", "rheod.cli.config:schema", data=True)


def _add_keys(commands: _Commands) -> None:
    keys = commands.group("keys", "API keys of partners")
    create = keys.add(
        "create", "make a key and print it once", "rheod.cli.keys:create", data=True, account=True
    )
    create.add_argument("--name", required=True, help="whose key it is, for you to tell them apart")
    keys.add("list", "all keys, revoked ones too", "rheod.cli.keys:listing", data=True, account=True)
    revoke = keys.add("revoke", "make a key worthless", "rheod.cli.keys:revoke", data=True)
    revoke.add_argument("id", metavar="ID", help="the key's id, see `rheod keys list`")
    commands.add("admin-token", "make and print a new admin token", "rheod.cli.keys:admin_token", data=True)


def _add_installing(commands: _Commands) -> None:
    bundle = commands.add(
        "support-bundle",
        "how this rheod is, in a file for somebody else: no secret, no buyer, no item's text",
        "rheod.cli.support_bundle:bundle",
    )
    bundle.add_argument("file", metavar="FILE", help="the .tar.gz to write")
    setup = commands.add(
        "setup",
        "write settings file, folders and units; safe to run twice",
        "rheod.cli.installer.setup:setup",
    )
    setup.add_argument("--systemd", action="store_true", help="bring it up as a service of systemd")
    setup.add_argument("--program", metavar="PATH", help=argparse.SUPPRESS)
    uninstall = commands.add("uninstall", "remove what setup made", "rheod.cli.installer.uninstall:uninstall")
    uninstall.add_argument("--keep-data", action="store_true", help="leave the database and the pictures")
    uninstall.add_argument("--yes", action="store_true", help="do not ask back")
    for command in (setup, uninstall):
        command.add_argument("--dry-run", action="store_true", help="only say what would be done")
        command.add_argument("--root", metavar="DIR", default="/", help=argparse.SUPPRESS)
        command.add_argument("--systemctl", metavar="PROGRAM", help=argparse.SUPPRESS)
    password = commands.add(
        "password", "make and print a new dashboard password", "rheod.cli.keys:new", data=True
    )
    password.add_argument("--stdin", action="store_true", help="take it from standard input instead")


def _add_items(items: _Commands) -> None:
    listing = items.add(
        "list", "items, oldest change first", "rheod.cli.items:listing", data=True, account=True
    )
    listing.add_argument("--status", help="only draft, active, sold, not_listed or archived ones")
    listing.add_argument("--limit", type=int, default=100, help="at most so many (1-1000, default 100)")
    listing.add_argument("--after", metavar="POSITION", help="go on where an earlier list ended")
    for name, does, run in (
        ("show", "one item: how far it is and what it waits for", "show"),
        ("publish", "order a publishing", "publish"),
        ("retry", "publish again after a failure", "publish"),
    ):
        command = items.add(name, does, f"rheod.cli.items:{run}", data=True, account=True)
        command.add_argument("id", metavar="ID", help="the external id")
        if name == "publish":
            text = "show the exact request, the checks and the cost in calls; call nobody, change nothing"
            command.add_argument("--dry-run", action="store_true", help=text)
    settle = items.add(
        "settle",
        "say what became of an ad that Tradera gave no answer about",
        "rheod.cli.items:settle",
        data=True,
        account=True,
    )
    settle.add_argument("id", metavar="ID", help="the external id")
    found = settle.add_mutually_exclusive_group(required=True)
    found.add_argument("--live", metavar="AD_ID", type=int, help="the ad is up under this number at Tradera")
    found.add_argument(
        "--not-live", action="store_true", help="there is no such ad; it may be published again"
    )
    settle.add_argument("--yes", action="store_true", help="do not ask back")


def _add_orders(orders: _Commands) -> None:
    listing = orders.add("list", "orders, the newest first", "rheod.cli.orders:listing", data=True)
    listing.add_argument("--unmatched", action="store_true", help="only sales of what rheod does not know")
    listing.add_argument("--limit", type=int, default=100, help="at most so many (1-1000, default 100)")
    listing.add_argument("--cursor", metavar="POSITION", help="go on where an earlier list ended")


def _add_webhooks(webhooks: _Commands) -> None:
    def add(name: str, does: str, run: str = "") -> argparse.ArgumentParser:
        return webhooks.add(name, does, f"rheod.cli.webhooks:{run or name}", data=True, account=True)

    add("list", "the endpoints that are told", "listing")
    new = add("add", "tell another URL; prints its secret once")
    new.add_argument("url", metavar="URL", help="where events are sent, HTTPS")
    new.add_argument(
        "--event", action="append", metavar="E", help="only such events, e.g. item.sold; repeatable"
    )
    new.add_argument(
        "--scope", choices=("self", "members"), help="own events, or those of the member accounts"
    )
    new.add_argument("--description", metavar="TEXT", help="for you to tell them apart")
    for name, does in (
        ("rotate", "a new secret; the old one signs beside it for 24 hours"),
        ("enable", "switch on again: the events it kept go out, in order"),
        ("disable", "switch off; its events are kept"),
        ("test", "send a signed test event now and tell what came of it"),
    ):
        add(name, does).add_argument("id", metavar="ID", help="the endpoint's id, see `rheod webhooks list`")
    log = add("deliveries", "the latest attempts, newest first")
    log.add_argument("--endpoint", metavar="ID", help="only those to this endpoint")
    log.add_argument("--event", metavar="E", help="only those of this type, or of the event with this id")
    log.add_argument("--status", choices=("success", "failed"))
    log.add_argument("--before", metavar="ID_OR_TIME", help="only older ones")
    log.add_argument("--limit", type=int, default=100, help="at most so many (1-100, default 100)")
    again = add("replay", "tell an event, or all since a time, once more")
    again.add_argument("event", metavar="EVENT", nargs="?", help="the event's id")
    again.add_argument("--since", metavar="T", help="everything since this time, e.g. 2026-05-26T10:00:00Z")
    again.add_argument("--endpoint", metavar="ID", help="to this endpoint only")


def _add_tradera(tradera: _Commands) -> None:
    connect = tradera.add(
        "connect",
        "print the address of a login at Tradera, and take the token when it is done",
        "rheod.cli.tradera:connect",
        data=True,
        account=True,
    )
    connect.add_argument(
        "--user", metavar="U", help="the seller's number or alias at Tradera, if not in the settings"
    )
    connect.add_argument("--finish", action="store_true", help="the login is done: take the token now")
    tradera.add("status", "who sells as whom, and for how long", "rheod.cli.tradera:status", data=True)


def _add_backups(commands: _Commands) -> None:
    backup = commands.add(
        "backup", "put a verified copy away, while rheod runs", "rheod.cli.backup:backup", data=True
    )
    backup.add_argument(
        "dest", metavar="DEST", help="the folder that holds the backups, each in one of its own"
    )
    backup.add_argument("--pictures", action="store_true", help="the pictures too, without taking room twice")
    backup.add_argument(
        "--keep", metavar="N", type=_several, default=14, help="how many backups stay (default 14)"
    )
    restore = commands.add(
        "restore", "begin anew from a backup, with rheod stopped", "rheod.cli.restore:restore", data=True
    )
    what = restore.add_mutually_exclusive_group(required=True)
    what.add_argument("source", metavar="SRC", nargs="?", help="one backup: a folder `rheod-<time>`")
    what.add_argument(
        "--compared",
        action="store_true",
        help="after one: the ads at Tradera are as rheod shows them, where Tradera did not tell",
    )


def _several(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError(text)
    return number
