"""Asks a running rheod through its admin socket, with the standard library only: JSON over HTTP on a unix socket.

It finds no socket and knows no command; what the daemon refuses becomes a sentence for the owner.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from rheod.commands import WRONG_USAGE, CommandFailed

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
    headers = {"Content-Type": b"application/json"}
    if account is not None:
        headers["x-partner-account"] = _header_value(account)
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


def _header_value(reference: str) -> bytes:
    if not reference.isprintable() or reference != reference.strip() or not reference:
        raise CommandFailed("--account must be a reference of [[accounts]]", status=WRONG_USAGE)
    return reference.encode()


def _read(status: int, raw: bytes) -> Any:
    try:
        answer = json.loads(raw) if raw else None
    except ValueError as error:
        raise CommandFailed(
            "What answers at the admin socket is not rheod: check server.admin_socket"
        ) from error
    if status < http.client.BAD_REQUEST:
        return answer
    told = answer if isinstance(answer, dict) else {}
    sentence = str(told.get("error") or f"rheod answered {status}")
    details = [f"{each['field']}: {each['message']}" for each in told.get("details", ())]
    raise CommandFailed(": ".join([sentence, "; ".join(details)]) if details else sentence)
