"""What there is to type: the tree of commands, that each honours what its help lists, and wrong usage in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rheod.cli.main import root
from rheod.sandbox.demo_daemon import clean_environment
from tests.cli.test_canary_of_bundle import unpacked
from tests.cli.test_cli import run

LINES = (
    "serve",
    "demo --once --json --keep DIR",
    "sandbox --port 8090",
    "config check --json",
    "config show --json",
    "config schema --json",
    "keys create --name ERP --scope items --scope orders --json --account REF",
    "keys list --json --account REF",
    "keys revoke ID --json",
    "admin-token --json",
    "password --stdin --json",
    "setup --systemd --dry-run --root DIR --systemctl PROGRAM --program PATH",
    "setup --quota 5 --quota-total 5 --freight 5 --category books=5 --ask",
    "uninstall --keep-data --dry-run --yes --root DIR --systemctl PROGRAM",
    "support-bundle FILE",
    "items list --failed",
    "items history ID --limit 5 --cursor POSITION --json --account REF",
    "items retry --all-failed --yes --json --account REF",
    "items list --status sold --limit 5 --after POSITION --json --account REF",
    "items show ID --json --account REF",
    "items publish ID --dry-run --json --account REF",
    "items retry ID --json --account REF",
    "items settle ID --live 12 --yes --json --account REF",
    "items settle ID --not-live --yes --account REF",
    "items check --json",
    "categories search W --below 5 --limit 5 --json",
    "categories attributes 5 --json",
    "shipping show 1.2 --json",
    "categories rules list --json",
    "categories rules add 5 --domain D --words W --metadata K=V --only-account REF --place 1",
    "categories rules move 5 1",
    "categories rules remove 5",
    "categories default D 5",
    "categories guess off",
    "categories conditions list --json",
    "categories conditions set B T1 T2",
    "categories conditions remove B",
    "orders list --unmatched --limit 5 --cursor POSITION --json --account REF",
    "orders messages --put-away 5 --json",
    "orders show 5 --json --account REF",
    "orders pick --csv --json --account REF",
    "orders pay 5 --json --account REF",
    "orders done 5 --json --account REF",
    "orders reverse ID --reason unpaid --order 5 --refunded --relist --json --account REF",
    "orders erase-buyer NAME --yes --json --account REF",
    "orders settle 5 --sold 950.50 --ad 22 --order 7 --yes --json --account REF",
    "orders settle 5 --not-sold --yes --account REF",
    "templates list --json",
    "templates set footer TEXT --member REF --category 302571 --json",
    "templates remove footer --member REF --category 302571 --json",
    "relist plan --days 30 --json --account REF",
    "relist pause ID --account REF",
    "relist pause --all --account REF",
    "relist resume ID --account REF",
    "relist resume --all --account REF",
    "relist explain ID --json --account REF",
    "relist rule --enabled --floor 200 --times 3 --step 0.9 --step 0.8 --round 9 --json",
    "relist rule --disabled --wait-h 24 --stop-after-days 60 --then tell --below-reserve keep",
    "schedule show --from 2026-12-01T00:00:00Z --to 2026-12-24T00:00:00Z --json --account REF",
    "schedule move ID 2026-12-06T20:15:00+01:00 --json --account REF",
    "schedule feed --revoke --account REF",
    "schedule plan --window W --window V --spacing-min 2 --per-window 9 --per-category 3 --days 3 --json",
    "schedule plan --no-windows",
    "schedule pause",
    "schedule resume",
    "webhooks list --json --account REF",
    "webhooks add URL --event item.sold --event listing.ended --scope self --description T --json --account REF",
    "webhooks rotate ID --force --json --account REF",
    "webhooks enable ID --json --account REF",
    "webhooks disable ID --json --account REF",
    "webhooks test ID --event item.sold --json --account REF",
    "webhooks deliveries --endpoint ID --event E --status failed --before 5 --limit 9 --json --account REF",
    "webhooks replay EVENT --endpoint ID --json --account REF",
    "webhooks replay --since 2026-05-26T10:00:00Z --account REF",
    "webhooks replay --since 2026-05-26T10:00:00Z --yes --account REF",
    "webhooks remove ID --yes --json --account REF",
    "tradera connect --user U --finish --json --account REF",
    "tradera status --json",
    "tradera quota show --json",
    "tradera quota forget METHOD",
    "backup DEST --pictures --keep 3 --json",
    "restore SRC --json",
    "restore --compared",
    "status --json",
    "doctor --online --json",
    "healthcheck",
    "version --json",
)
"""Every command with every option it ever had: they are what scripts rely on."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group with what is typed for it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(root))


def command_of(line: str) -> str:
    """The name of the command that a line runs."""
    return next(name for name in COMMANDS if f"{line} ".startswith(f"{name} "))


def lists(name: str, option: str) -> bool:
    """Whether the command's help lists the option."""
    command = COMMANDS[name]
    return option in command.get_help(click.Context(command))


def invoke(line: str, *more: str) -> Result:
    """A command in this process, with a line on standard input and none of this machine's settings."""
    gone = {name: None for name in os.environ if name.startswith(("RHEOD_", "CREDENTIALS_", "STATE_"))}
    return CliRunner().invoke(root, [*line.split(), *more], input="typed\n", env=gone, standalone_mode=False)


@pytest.mark.parametrize("line", LINES)
def test_what_scripts_type_is_taken(line: str) -> None:
    """Each line is parsed by its command, and --config stands before or behind it."""
    name = command_of(line)
    words = line.split()[len(name.split()) :]
    for given in (words, [*words, "--config", "f.toml"]):
        COMMANDS[name].make_context(name, list(given))
    outer = root.make_context("rheod", ["--config", "f.toml", *line.split()])
    assert outer.obj.config == Path("f.toml")


def test_every_command_and_option_is_in_the_lines() -> None:
    """A command or option that is added is added there as well."""
    typed = {
        name: {word for line in LINES if command_of(line) == name for word in line.split()}
        for name in COMMANDS
    }
    for name, command in COMMANDS.items():
        options = {opt for param in command.params for opt in param.opts if opt.startswith("--")}
        assert options - typed[name] <= {"--config"}, name
    assert all(typed.values())


@pytest.mark.parametrize("line", LINES)
def test_config_is_honoured_where_help_lists_it(line: str, tmp_path: Path) -> None:
    """A wrong setting in the named file is named, by whichever command it is given to; the others do not list it."""
    name, file = command_of(line), tmp_path / "rheod.toml"
    file.write_text("[storage]\npath = 7\n[server]\nprot = 1\n")
    if not lists(name, "--config"):
        assert name in {"demo", "sandbox", "config schema", "setup", "uninstall", "version"}
        return
    bundle = tmp_path / "bundle"
    given = line.replace("FILE", str(bundle)).replace("DEST", str(tmp_path)).replace("SRC", str(tmp_path))
    for words in (f"{given} --config {file}", f"--config {file} {given}"):
        ended = invoke(words)
        said = f"{ended.exception} {ended.output}"
        if bundle.exists():
            said += unpacked(bundle)["config.json"]
            bundle.unlink()
        assert "server.prot" in said


@pytest.mark.parametrize("command", ["setup", "uninstall"])
def test_the_service_has_one_settings_file(command: str, tmp_path: Path) -> None:
    """The units name it, so another one is refused, where it would be overlooked."""
    ended = run(command, "--dry-run", "--config", str(tmp_path / "other.toml"), environ={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "/etc/rheod/rheod.toml" in ended.stderr
    named = run(command, "--dry-run", "--root", str(tmp_path), environ={"RHEOD_CONFIG": "/srv/other.toml"})
    assert "RHEOD_CONFIG is not looked at here" in named.stderr


@pytest.mark.parametrize("line", [line for line in LINES if "--account" in line])
def test_account_is_honoured_where_help_lists_it(line: str, tmp_path: Path) -> None:
    """It reaches whoever is asked: a reference that cannot be one is refused by name."""
    assert lists(command_of(line), "--account")
    file = tmp_path / "rheod.toml"
    file.write_text(f'[storage]\npath = "{tmp_path}"\n')
    ended = invoke(f"--config {file} {line}", "--account", " ")
    assert "--account must be a reference" in f"{ended.exception} {ended.output}"


def test_account_is_listed_nowhere_else() -> None:
    """A command that is about all accounts or the whole machine does not pretend."""
    known = {command_of(line) for line in LINES if "--account" in line}
    assert {name for name in COMMANDS if lists(name, "--account")} == known


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "No such command 'nonsense'"),
        ("itms list", "Did you mean 'items'?"),
        ("items publsh A1", "Did you mean 'publish'?"),
        ("keys", "Missing command"),
        ("keys create", "Missing option '--name'"),
        ("sandbox --port 70000", "'--port'"),
        ("serve --conf f", "Did you mean '--config'?"),
        ("items settle ID", "--live with the ad's number, or --not-live"),
        ("orders settle 5", "--sold with the price, or --not-sold"),
        ("orders settle 5 --sold much", "a number of kronor"),
        ("items settle ID --live 5 --not-live", "--live with the ad's number, or --not-live"),
        ("restore", "or --compared"),
        ("webhooks replay", "or --since"),
        ("items retry", "or --all-failed"),
        ("items retry ID --all-failed", "or --all-failed"),
        ("backup d --keep 0", "'--keep'"),
    ],
)
def test_wrong_usage_ends_with_2(line: str, says: str) -> None:
    """What cannot be understood is one line on standard error, with where to look."""
    ended = run(*line.split(), environ={})
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("rheod: ")
    assert says in ended.stderr
    assert "See: rheod " in ended.stderr
    assert "--help" in ended.stderr


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_rheod_alone_prints_help(words: tuple[str, ...]) -> None:
    """Every command with what it does, the exit statuses, and no library that only a command needs."""
    ended = run(*words, environ={}, python=("-X", "importtime"))
    assert ended.returncode == 0
    assert [
        name for name in root.list_commands(click.Context(root)) if f"\n  {name} " not in ended.stdout
    ] == []
    assert "3 healthy but needs attention" in " ".join(ended.stdout.split())
    assert "rheod.cli.items" not in ended.stderr


def test_every_command_says_what_it_does() -> None:
    """In its group's list and on its own page."""
    for name, command in COMMANDS.items():
        assert command.get_short_help_str(200), name
        for param in command.params:
            assert param.hidden if isinstance(param, click.Option) and param.hidden else param.help, (
                name,
                param,
            )


def test_the_shell_completes_commands() -> None:
    """Bash is given a script, and the names that begin as typed, without loading what only a command needs."""
    for instruction, words, expected in (
        ("bash_source", "", "_RHEOD_COMPLETE=bash_complete"),
        ("bash_complete", "rheod it", "plain,items"),
        ("bash_complete", "rheod items se", "plain,settle"),
        ("bash_complete", "rheod items list --st", "plain,--status"),
    ):
        ended = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "rheod"],
            env={
                **clean_environment(os.environ),
                "_RHEOD_COMPLETE": instruction,
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0
        assert expected in ended.stdout
        assert "rheod.cli.serve" not in ended.stderr
