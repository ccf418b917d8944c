"""`rheod keys`, `rheod admin-token` and `rheod password`: who may call rheod and who may see the dashboard.

Secrets are printed alone on standard output, once, for scripts to take.
"""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from rheod.cli import OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask
from rheod.cli.main import Command, Group, Options, pass_options, with_account, with_json
from rheod.cli.printing import note, say, say_json, say_table


@click.group(cls=Group)
def keys() -> None:
    """Make, list and revoke the API keys of partners."""


@keys.command()
@click.option("--name", required=True, help="Whose key it is, for you to tell them apart.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["items", "orders"]),
    help="What it opens, once for each; without: items.",
)
@with_json
@with_account
@pass_options
def create(options: Options, *, name: str, scopes: tuple[str, ...], as_json: bool) -> int:
    """Make a key and print it once."""
    made = ask(options, "POST", "/keys", {"name": name, "scopes": list(scopes) or ["items"]})
    if as_json:
        say_json(made)
    else:
        note(f"The API key {made['name']!r}, id {made['id']}. It is shown this once:")
        say(made["apiKey"])
    return OK


@keys.command("list")
@with_json
@with_account
@pass_options
def list_keys(options: Options, *, as_json: bool) -> int:
    """List all keys, revoked ones too."""
    answer = ask(options, "GET", "/keys")
    if as_json:
        say_json(answer)
        return OK
    columns = ("id", "name", "prefix", "createdAt", "lastUsedAt", "revokedAt")
    rows = [[*(key[column] for column in columns), ", ".join(key["scopes"])] for key in answer["keys"]]
    say_table(("ID", "NAME", "PREFIX", "CREATED", "LAST USED", "REVOKED", "OPENS"), rows)
    return OK


@keys.command()
@click.argument("key_id", metavar="ID", help="The key's id, see `rheod keys list`.")
@with_json
@pass_options
def revoke(options: Options, *, key_id: str, as_json: bool) -> int:
    """Make a key worthless."""
    ask(options, "DELETE", f"/keys/{quote(key_id, safe='', errors='surrogateescape')}")
    if as_json:
        say_json({"revoked": key_id})
    else:
        say("Revoked: it opens nothing from the next request on.")
    return OK


@click.command(cls=Command)
@with_json
@pass_options
def admin_token(options: Options, *, as_json: bool) -> int:
    """Make and print a new admin token; the earlier one is void."""
    made = ask(options, "POST", "/admin-token")
    if as_json:
        say_json(made)
    else:
        note("The new admin token; the earlier one is void. It is shown this once:")
        say(made["adminToken"])
    return OK


@click.command(cls=Command)
@click.option("--stdin", is_flag=True, help="Take it from standard input instead.")
@with_json
@pass_options
def password(options: Options, *, stdin: bool, as_json: bool) -> int:
    """Make and print a new dashboard password.

    The earlier one is void, and every session ends.
    """
    wanted = None
    if stdin:
        wanted = {"password": sys.stdin.readline().strip()}
        if not wanted["password"]:
            raise CommandFailed(
                "No password came on standard input: write it in one line", status=WRONG_USAGE
            )
    made = ask(options, "POST", "/password", wanted)
    if as_json:
        say_json(made)
    elif stdin:
        say("The password is set.")
    else:
        note("The new dashboard password; the earlier one is void. It is shown this once:")
        say(made["password"])
    return OK
