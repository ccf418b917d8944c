"""The only reader of the TOML file, systemd credentials and environment variables.

Later layers win: defaults, file, credentials, environment. Every wrong setting is reported at once, and never with
its value. Nothing below `app` may import this module: constructors take the few values they need.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from rheod.config.settings import LEAVES, AccountSettings, Key, Settings, section_of
from rheod.domain.budget import Allowance, publish_cost
from rheod.domain.errors import RheodError
from rheod.domain.model import CallClass

__all__ = [
    "Settings",
    "SettingsError",
    "load_settings",
    "masked",
    "missing_at_start",
    "missing_for_publishing",
    "secret_values",
    "warnings",
]

DEFAULT_FILE = Path("/etc/rheod/rheod.toml")
PREFIX = "RHEOD_"
_MASK = "********"
_MEMBER_TOKEN = re.compile(r"(?:RHEOD_ACCOUNTS|accounts)__(.+)__(?:USER_TOKEN|user_token)")
"""A member's token in a file or variable of its own, as every other secret may be."""


class SettingsError(RheodError):
    """Every wrong setting, one line each: the key, where it came from, what is wrong, the fix. No values."""


def load_settings(
    *, config_file: Path | None, environ: Mapping[str, str], credentials_dir: Path | None
) -> Settings:
    """The settings of all layers; `SettingsError` lists everything that is wrong.

    Without `config_file` it is `RHEOD_CONFIG`, else /etc/rheod/rheod.toml if there; without `credentials_dir` it is
    `CREDENTIALS_DIRECTORY`, if set.
    """
    reader = _Reader()
    if state := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        reader.put(("storage", "path"), state, "environment STATE_DIRECTORY")
    file = config_file or _path(environ, "RHEOD_CONFIG") or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if file:
        reader.read_file(file)
    if folder := credentials_dir or _path(environ, "CREDENTIALS_DIRECTORY"):
        reader.read_credentials(folder)
    reader.read_environment(environ)
    return reader.build()


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _capitals(reference: str) -> str:
    """A reference as the name of a variable can hold it."""
    return re.sub(r"[^0-9A-Z]", "_", reference.upper())


def _is_table_or_list(kind: object) -> bool:
    return get_origin(kind) in {tuple, dict} or any(_is_table_or_list(part) for part in get_args(kind))


def _nearest(name: str, known: Iterable[str]) -> str:
    """The fix for an unknown name: the nearest known one, by the whole name or else by its last part."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if not close:
        last = {re.split(r"__|\.", candidate)[-1]: candidate for candidate in names}
        close = [last[part] for part in difflib.get_close_matches(re.split(r"__|\.", name)[-1], last, 1, 0.8)]
    return f"did you mean {close[0]}?" if close else "remove it"


@dataclass(slots=True)
class _Reader:
    """Collects single settings layer by layer, with their origins and everything that is wrong."""

    values: dict[Key, Any] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    member_tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tokens of `[[accounts]]` given apart: the account's name in capitals -> the token and where it came from."""

    def put(self, key: Key, value: object, origin: str) -> None:
        """Set one known setting; the last layer that does so wins."""
        self.values[key] = value
        self.origins[key] = origin

    def read_file(self, file: Path) -> None:
        """Take a TOML file."""
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            wrong = error.strerror if isinstance(error, OSError) else f"not valid TOML: {error}"
            self.problems.append(f"{file} (settings file): {wrong}; mend it or name another with --config")
            return
        self._read_table(table, Settings, (), f"file {file}")

    def _read_table(self, table: dict[str, Any], model: type[BaseModel], above: Key, origin: str) -> None:
        for name, value in table.items():
            key = (*above, name)
            info = model.model_fields.get(name)
            section = info and section_of(info)
            if info is None:
                known = {".".join(leaf[:size]) for leaf in LEAVES for size in range(1, len(leaf) + 1)}
                self._unknown(".".join(key), known, origin)
            elif section is None:
                self.put(key, value, origin)
            elif isinstance(value, dict):
                self._read_table(value, section, key, origin)
            else:
                self.problems.append(f"{'.'.join(key)} ({origin}): must be a table; write [{'.'.join(key)}]")

    def read_credentials(self, folder: Path) -> None:
        """Take systemd credentials: files `section__key`, and `accounts`; other names are not ours."""
        known = {"__".join(key): key for key in LEAVES}
        try:
            files = sorted(path for path in folder.iterdir() if "__" in path.name or path.name in known)
            texts = {path.name: path.read_text(encoding="utf-8").strip() for path in files if path.is_file()}
        except (OSError, UnicodeDecodeError) as error:
            wrong = error.strerror if isinstance(error, OSError) else "a file is not UTF-8 text"
            self.problems.append(f"{folder} (credentials): {wrong}; mend the unit's LoadCredential= lines")
            return
        for name, text in texts.items():
            self._read_text(name, text, known, f"credential {name}")

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take `RHEOD_SECTION__KEY` variables; lists and tables are JSON."""
        known = {PREFIX + "__".join(key).upper(): key for key in LEAVES}
        for name in sorted(environ):
            if name.startswith(PREFIX) and name != "RHEOD_CONFIG":
                self._read_text(name, environ[name], known, f"environment {name}")

    def _read_text(self, name: str, text: str, known: Mapping[str, Key], origin: str) -> None:
        if member := _MEMBER_TOKEN.fullmatch(name):
            if text:
                self.member_tokens[_capitals(member[1])] = (text, origin)
            return
        key = known.get(name)
        if key is None:
            self._unknown(name, known, origin.partition(" ")[0])
            return
        if not text and LEAVES[key].default is None:
            return  # an empty variable of a compose file: as good as not there
        if not _is_table_or_list(LEAVES[key].annotation):
            self.put(key, text, origin)
            return
        try:
            self.put(key, json.loads(text), origin)
        except ValueError:
            self.problems.append(f"{'.'.join(key)} ({origin}): must be JSON; write a JSON list or object")

    def _unknown(self, name: str, known: Iterable[str], origin: str) -> None:
        self.problems.append(f"{name} ({origin}): unknown setting; {_nearest(name, known)}")

    def _place_member_tokens(self) -> None:
        """Give each token to the one account whose reference, in capitals and with `_` for signs, it names."""
        accounts = self.values.get(("accounts",), ())
        members = [each for each in accounts if isinstance(each, dict)] if isinstance(accounts, list) else []
        for name, (token, origin) in self.member_tokens.items():
            named = [each for each in members if _capitals(str(each.get("reference"))) == name]
            if len(named) == 1:
                named[0]["user_token"] = token
            else:
                found = "several references" if named else "no reference"
                self.problems.append(
                    f"accounts ({origin}): names {found} of [[accounts]]; rename one of them"
                )

    def build(self) -> Settings:
        """The validated tree, or everything that is wrong."""
        self._place_member_tokens()
        tree: dict[str, Any] = {}
        for key, value in self.values.items():
            table = tree
            for name in key[:-1]:
                table = table.setdefault(name, {})
            table[key[-1]] = value
        try:
            settings = Settings.build(tree, self.origins)
        except ValidationError as error:
            wrong = [self._explain(detail["loc"], detail["msg"]) for detail in error.errors()]
            raise SettingsError("\n".join(self.problems + wrong)) from error
        if self.problems:
            raise SettingsError("\n".join(self.problems))
        return settings

    def _explain(self, loc: tuple[int | str, ...], message: str) -> str:
        """One line on a value that failed its check, in the words of the layer it came from."""
        names = tuple(str(part) for part in loc)
        key = next((names[:size] for size in range(len(names), 0, -1) if names[:size] in self.origins), names)
        name = ".".join(names)
        where = self.origins.get(key, "settings")
        if message.startswith("Extra inputs"):
            return f"{name} ({where}): unknown setting; {_nearest(names[-1], AccountSettings.model_fields)}"
        wrong = message.removeprefix("Value error, ").replace("Input should be", "must be")
        if wrong == "Field required":
            return f"{name} ({where}): is missing; add it"
        return f"{name} ({where}): {wrong}; {_fix(key)}"


def _fix(key: Key) -> str:
    default = LEAVES[key].default if key in LEAVES else None
    if not isinstance(default, bool | int | float | str | Path):
        return "change it or remove it"
    return f"change it, or remove it for the default {_plain(default)}"


def _plain(value: Any) -> Any:
    """A value as JSON has it, with every secret masked."""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str | dict) else str(value)


def _value(settings: Settings, key: Key) -> Any:
    value: Any = settings
    for name in key:
        value = getattr(value, name)
    return value


def masked(settings: Settings) -> dict[str, dict[str, Any]]:
    """For `config show`: each setting's dotted name with its `value` (secrets as stars) and where it came `from`."""
    return {
        ".".join(key): {"value": _plain(_value(settings, key)), "from": settings.origin(key)}
        for key in LEAVES
    }


def secret_values(settings: Settings) -> list[str]:
    """Every secret in clear, for the log's redaction and nothing else."""
    values = [_value(settings, key) for key in LEAVES] + [account.user_token for account in settings.accounts]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def missing_for_publishing(settings: Settings, *, member: bool = False) -> list[str]:
    """The settings without which publishing for the default account, or for a member, waits."""
    keys = ("app_id", "app_key") if member else ("app_id", "app_key", "user_id", "user_token")
    return [f"tradera.{key}" for key in keys if getattr(settings.tradera, key) is None]


def missing_at_start(settings: Settings) -> list[str]:
    """The same for whoever sells: an owner who has members need not sell anything himself."""
    tradera = settings.tradera
    only_members = bool(settings.accounts) and tradera.user_id is None and tradera.user_token is None
    return missing_for_publishing(settings, member=only_members)


def warnings(settings: Settings) -> list[str]:
    """Sentences on settings that are only for development or cannot work out; `app` logs them at start."""
    found = []
    for section in ("images", "webhooks"):
        if getattr(settings, section).allow_http:
            found.append(
                f"{section}.allow_http is on: for development; anyone on the way can read and change"
            )
        if getattr(settings, section).allow_private_networks:
            found.append(
                f"{section}.allow_private_networks is on: partners can reach this machine's own networks"
            )
    addresses = (("tradera", "base_url"), ("push", "queue_url"), ("push", "endpoint_url"))
    found.extend(
        f"{'.'.join(key)} is http to another machine: credentials travel in clear text"
        for key in addresses
        if _clear_text(_value(settings, key) or "")
    )
    found.extend(_too_few_calls(settings))
    if settings.debug.crash_at:
        found.append("debug.crash_at is set: rheod will kill itself, as its own tests want")
    return found


def _too_few_calls(settings: Settings) -> list[str]:
    tradera = settings.tradera
    allowance = Allowance(limit=tradera.daily_calls, reserve_share=tradera.reserve_share, reconcile_share=0)
    most, cost = allowance.ceiling(CallClass.PUBLISH), publish_cost(tradera.defaults.max_images)
    if cost <= most:
        return []
    return [
        (
            f"tradera.daily_calls leaves {most} calls for publishing, and an item with tradera.defaults.max_images ="
            f" {tradera.defaults.max_images} pictures takes {cost}: such items will fail"
        )
    ]


def _clear_text(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and not local
