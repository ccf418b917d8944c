"""One question to rheod: to the daemon when it runs, through its admin socket, else to its data folder.

The only place that decides between the two; commands just ask. It finds the socket without loading the settings (two
of them matter, with the same precedence), so that a command that only asks is quick; where something is wrong or
unusual it leaves the word to the full reader. What the daemon refuses becomes a sentence for the owner.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rheod.cli import WRONG_USAGE, CommandFailed
from rheod.cli.main import DEFAULT_FILE, Options, settings_of

TIMEOUT_S = 30.0


class NotRunning(CommandFailed):
    """Nobody listens at the socket: no daemon runs, or it uses other settings."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"rheod is not running: nobody answers at {path}. Start it (systemctl start rheod, or rheod serve), "
            "or name its settings with --config"
        )
        self.path = path


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a path instead of a host."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("rheod", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Open the socket; http.client calls this."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask_socket(
    path: Path,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    account: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The answer's JSON, None when it has none; `account` is the reference of a member it is about.

    Raises NotRunning, or CommandFailed with the daemon's sentence.
    """
    connection = _UnixConnection(path, timeout_s)
    headers = request_headers(account)
    try:
        connection.request(method, target, body=None if body is None else json.dumps(body), headers=headers)
        response = connection.getresponse()
        status, raw = response.status, response.read()
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise NotRunning(path) from error
    except PermissionError as error:
        raise CommandFailed(
            f"You may not open {path}: run this as root (sudo) or as rheod's own user"
        ) from error
    except TimeoutError as error:
        raise CommandFailed(f"rheod did not answer within {timeout_s:g} s: see its log") from error
    except (OSError, http.client.HTTPException) as error:
        raise CommandFailed(
            f"rheod broke off at {path}: {str(error) or type(error).__name__}; see its log"
        ) from error
    finally:
        connection.close()
    return _read(status, raw)


def request_headers(account: str | None) -> dict[str, bytes]:
    """What every request says; CommandFailed for a reference that no account can have."""
    headers = {"Content-Type": b"application/json"}
    if account is not None:
        if not account.isprintable() or account != account.strip() or not account:
            raise CommandFailed("--account must be a reference of [[accounts]]", status=WRONG_USAGE)
        headers["x-partner-account"] = account.encode()
    return headers


def _read(status: int, raw: bytes) -> Any:
    """The answer's JSON, None when it has none. CommandFailed with rheod's sentence where it refuses."""
    try:
        answer = json.loads(raw) if raw else None
    except ValueError as error:
        raise CommandFailed(
            "What answers at the admin socket is not rheod: check server.admin_socket"
        ) from error
    if status < http.client.BAD_REQUEST:
        return answer
    refusal = answer if isinstance(answer, dict) else {}
    sentence = str(refusal.get("error") or f"rheod answered {status}")
    details = [f"{each['field']}: {each['message']}" for each in refusal.get("details", ())]
    raise CommandFailed(": ".join([sentence, "; ".join(details)]) if details else sentence)


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
            table = tomllib.loads(file.read_text(encoding="utf-8"))
            sections = {section: table.get(section, {}) for section, _ in (_STORAGE, _SOCKET)}
            if not all(isinstance(section, dict) for section in sections.values()):
                raise InDoubtError
            yield {
                (section, name): str(_absolute(sections[section][name]))
                for section, name in (_STORAGE, _SOCKET)
                if name in sections[section]
            }
        if folder := environ.get("CREDENTIALS_DIRECTORY"):
            files = {key: Path(folder, "__".join(key)) for key in (_STORAGE, _SOCKET)}
            yield {
                key: file.read_text(encoding="utf-8").strip() for key, file in files.items() if file.is_file()
            }
    except (OSError, ValueError) as error:
        raise InDoubtError from error
    names = {key: f"RHEOD_{key[0]}__{key[1]}".upper() for key in (_STORAGE, _SOCKET)}
    yield {key: environ[name] for key, name in names.items() if name in environ}


def ask(
    options: Options,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The answer's JSON, from the daemon or from the file. Raises CommandFailed."""
    try:
        return ask_daemon(options, method, target, body, timeout_s=timeout_s)
    except NotRunning as absent:
        from rheod.cli.serve import Question, ask_store  # noqa: PLC0415 - the whole daemon's imports

        headers = request_headers(options.account)
        asked = Question(method=method, target=target, headers=headers, body=body)
        return _read(*ask_store(settings_of(options), asked, silent=absent.path))


def ask_daemon(
    options: Options,
    method: str,
    target: str,
    body: dict[str, Any] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The running daemon's answer. Raises NotRunning or CommandFailed."""
    try:
        path = find_admin_socket(config_file=options.config, environ=os.environ)
    except InDoubtError:
        path = settings_of(options).admin_socket
    return ask_socket(path, method, target, body, account=options.account, timeout_s=timeout_s)
