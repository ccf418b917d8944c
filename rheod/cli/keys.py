"""`rheod keys` and `rheod admin-token`: who may call rheod. Secrets are printed alone, once, for scripts to take.

`rheod password`: a new password for the dashboard, made by rheod or typed by the owner. It is printed alone, once.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from urllib.parse import quote

from rheod.cli import OK, WRONG_USAGE, CommandFailed
from rheod.cli.daemon_client import ask
from rheod.cli.printing import note, say, say_json, say_table


def create(arguments: Namespace) -> int:
    """`rheod keys create --name N`."""
    made = ask(arguments, "POST", "/keys", {"name": arguments.name})
    if arguments.json:
        say_json(made)
    else:
        note(f"The API key {made['name']!r}, id {made['id']}. It is shown this once:")
        say(made["apiKey"])
    return OK


def listing(arguments: Namespace) -> int:
    """`rheod keys list`."""
    answer = ask(arguments, "GET", "/keys")
    if arguments.json:
        say_json(answer)
        return OK
    columns = ("id", "name", "prefix", "createdAt", "lastUsedAt", "revokedAt")
    rows = [[key[column] for column in columns] for key in answer["keys"]]
    say_table(("ID", "NAME", "PREFIX", "CREATED", "LAST USED", "REVOKED"), rows)
    return OK


def revoke(arguments: Namespace) -> int:
    """`rheod keys revoke ID`."""
    ask(arguments, "DELETE", f"/keys/{quote(arguments.id, safe='', errors='surrogateescape')}")
    if arguments.json:
        say_json({"revoked": arguments.id})
    else:
        say("Revoked: it opens nothing from the next request on.")
    return OK


def admin_token(arguments: Namespace) -> int:
    """`rheod admin-token`."""
    made = ask(arguments, "POST", "/admin-token")
    if arguments.json:
        say_json(made)
    else:
        note("The new admin token; the earlier one is void. It is shown this once:")
        say(made["adminToken"])
    return OK


def new(arguments: Namespace) -> int:
    """`rheod password [--stdin]`: the earlier one is void and every session ends."""
    made = ask(arguments, "POST", "/password", _wanted() if arguments.stdin else None)
    if arguments.json:
        say_json(made)
    elif arguments.stdin:
        say("The password is set.")
    else:
        note("The new dashboard password; the earlier one is void. It is shown this once:")
        say(made["password"])
    return OK


def _wanted() -> dict[str, str]:
    password = sys.stdin.readline().strip()
    if not password:
        raise CommandFailed("No password came on standard input: write it in one line", status=WRONG_USAGE)
    return {"password": password}
