"""One question to rheod: to the daemon when it runs, else to its file under the daemon's lock.

The only place that decides between the two; commands just ask.
"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rheod.commands import WRONG_USAGE, CommandFailed
from rheod.commands.admin_socket import TIMEOUT_S, NotRunning, ask_socket
from rheod.commands.socket_place import DEFAULT_FILE, InDoubtError, find_admin_socket

if TYPE_CHECKING:
    from rheod.settings import Settings


def ask(
    arguments: Namespace,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The answer's JSON, from the daemon or from the file. Raises CommandFailed."""
    try:
        return ask_daemon(arguments, method, target, body, timeout_s=timeout_s)
    except NotRunning as absent:
        from rheod.commands.without_daemon import ask_file  # noqa: PLC0415 - the whole daemon's imports

        account = _account(arguments)
        return ask_file(
            load(arguments),
            lambda path: ask_socket(path, method, target, body, account=account, timeout_s=timeout_s),
            absent.path,
        )


def ask_daemon(
    arguments: Namespace,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The running daemon's answer. Raises NotRunning or CommandFailed."""
    try:
        path = find_admin_socket(config_file=_config_file(arguments), environ=os.environ)
    except InDoubtError:
        path = load(arguments).admin_socket
    return ask_socket(path, method, target, body, account=_account(arguments), timeout_s=timeout_s)


def load(arguments: Namespace) -> Settings:
    """All settings; CommandFailed with one line per wrong one, exit status 2."""
    from rheod.settings import SettingsError, load_settings  # noqa: PLC0415 - light commands do without pydantic

    try:
        return load_settings(
            config_file=_config_file(arguments), environ=os.environ, credentials_dir=_secrets(arguments)
        )
    except SettingsError as error:
        raise CommandFailed(str(error), status=WRONG_USAGE) from error


def _secrets(arguments: Namespace) -> Path | None:
    """The folder beside the settings file whose secrets setup hands to the service: whoever may read it has them too."""
    if os.environ.get("CREDENTIALS_DIRECTORY"):
        return None
    file = _config_file(arguments) or Path(os.environ.get("RHEOD_CONFIG") or DEFAULT_FILE)
    folder = file.parent / "secrets"
    return folder if os.access(folder, os.R_OK | os.X_OK) else None


def _account(arguments: Namespace) -> str | None:
    """The member that `--account` names; commands without that option are about the default account or about all."""
    reference: str | None = getattr(arguments, "account", None)
    return reference


def _config_file(arguments: Namespace) -> Path | None:
    return None if arguments.config is None else Path(arguments.config)
