"""Finds the admin socket without loading the settings tree: four settings' worth of it, with the same precedence.

It never reports a wrong setting: where it is in doubt, the full reader is asked, which knows the right words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DEFAULT_FILE = Path("/etc/rheod/rheod.toml")
DEFAULT_STORAGE = "/var/lib/rheod"
_STORAGE = ("storage", "path")
_SOCKET = ("server", "admin_socket")


class InDoubtError(Exception):
    """Something is wrong or unusual; only the full reader can tell."""


def find_admin_socket(*, config_file: Path | None, environ: Mapping[str, str]) -> Path:
    """Where `settings.load_settings` would find it: file, then credentials, then environment, the last wins.

    Raises InDoubtError.
    """
    storage: Any = environ.get("STATE_DIRECTORY", "").partition(":")[0] or DEFAULT_STORAGE
    socket: Any = None
    for layer in _layers(config_file, environ):
        storage = layer.get(_STORAGE, storage)
        socket = layer.get(_SOCKET) or socket
    if socket is not None:
        return _absolute(socket)
    return _absolute(storage) / "admin.sock"


def _absolute(value: Any) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise InDoubtError
    return Path(value)


def _layers(config_file: Path | None, environ: Mapping[str, str]) -> Iterator[dict[tuple[str, str], Any]]:
    file = config_file or Path(environ.get("RHEOD_CONFIG") or DEFAULT_FILE)
    named = config_file is not None or bool(environ.get("RHEOD_CONFIG"))
    try:
        if named or file.exists():
            yield _of_file(tomllib.loads(file.read_text(encoding="utf-8")))
        if folder := environ.get("CREDENTIALS_DIRECTORY"):
            yield _of_credentials(Path(folder))
    except (OSError, ValueError) as error:
        raise InDoubtError from error
    names = {key: f"RHEOD_{key[0]}__{key[1]}".upper() for key in (_STORAGE, _SOCKET)}
    yield {key: environ[name] for key, name in names.items() if name in environ}


def _of_file(table: dict[str, Any]) -> dict[tuple[str, str], Any]:
    found = {}
    for section, name in (_STORAGE, _SOCKET):
        inner = table.get(section, {})
        if not isinstance(inner, dict):
            raise InDoubtError
        if name in inner:
            found[section, name] = inner[name]
            _absolute(inner[name])
    return found


def _of_credentials(folder: Path) -> dict[tuple[str, str], Any]:
    files = {key: folder / "__".join(key) for key in (_STORAGE, _SOCKET)}
    return {key: file.read_text(encoding="utf-8").strip() for key, file in files.items() if file.is_file()}
