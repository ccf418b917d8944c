"""`rheod keys` and `rheod admin-token`: who may call rheod. Secrets are printed alone, once, for scripts to take."""

from __future__ import annotations

from argparse import Namespace
from urllib.parse import quote

from rheod.commands import OK
from rheod.commands.asking import ask
from rheod.commands.printing import note, say, say_json, say_table


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
