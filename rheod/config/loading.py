"""The only reader of the TOML file, systemd credentials and environment variables.

The layers are pydantic-settings' own sources; later ones win: defaults, file, credentials, environment. Every wrong
setting is reported at once, and never with its value. Nothing below `compose` may import this module: constructors take
the few values they need.
"""

from __future__ import annotations

import codecs
import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)
from typing_extensions import override

from rheod.config.sections import AccountSettings, is_quoted
from rheod.config.settings import LEAVES, Key, Settings, held_to_daily_calls, section_of, superseded
from rheod.domain.budget import TOTAL, Quota, publish_cost
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
_ACCOUNTS = ("accounts",)
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
        source = InitSettingsSource(Settings, {"storage": {"path": state}})
        reader.add(source, lambda _key: "environment STATE_DIRECTORY")
    file = config_file or _path(environ, "RHEOD_CONFIG")
    if file is None:
        try:
            file = DEFAULT_FILE if DEFAULT_FILE.exists() else None
        except OSError:  # one that may not be seen counts as there, so that reading it says why not
            file = DEFAULT_FILE
    if file:
        reader.read_file(file)
    if folder := credentials_dir or _path(environ, "CREDENTIALS_DIRECTORY"):
        reader.read_credentials(folder)
    reader.read_environment(environ)
    return reader.build()


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


class _Texts(EnvSettingsSource):
    """Settings given as texts by name, such as `server__port`; lists and tables are JSON."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(Settings, env_prefix="", env_nested_delimiter="__")
        self.env_vars = texts


class _Layer(PydanticBaseSettingsSource):
    """Wraps a source and remembers where each of its values came from, unless a higher layer has that setting.

    A value is replaced as a whole: what pydantic-settings would do, merging two layers' tables, would give a table that
    nobody has written.
    """

    def __init__(self, values: dict[Key, Any], origin: Callable[[Key], str], origins: dict[Key, str]) -> None:
        super().__init__(Settings)
        self.values = values
        self._origin = origin
        self._origins = origins

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the base's interface; values are given all at once."""
        return None, field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        """What this layer has to say; the library asks the highest layer first."""
        tree: dict[str, Any] = {}
        for key, value in self.values.items():
            if key in self._origins:
                continue
            self._origins[key] = self._origin(key)
            table = tree
            for name in key[:-1]:
                table = table.setdefault(name, {})
            table[key[-1]] = value
        return tree


class _Reader:
    """Collects the layers, the lowest first, and everything that is wrong."""

    def __init__(self) -> None:
        self._layers: list[_Layer] = []
        self._origins: dict[Key, str] = {}
        self._problems: list[str] = []
        self._member_tokens: dict[str, tuple[str, str]] = {}
        """Tokens of `[[accounts]]` given apart: the account's name in capitals -> the token and where it came from."""

    def add(self, source: PydanticBaseSettingsSource, origin: Callable[[Key], str]) -> None:
        """Put a source above the others; `origin` says for a setting of it where it stands."""
        values = dict(self._settings(source(), Settings, (), origin))
        self._layers.append(_Layer(values, origin, self._origins))

    def _settings(
        self, table: Mapping[str, Any], model: type[BaseModel], above: Key, origin: Callable[[Key], str]
    ) -> Iterator[tuple[Key, Any]]:
        """The single settings of a table, by their names in parts."""
        for name, value in table.items():
            key = (*above, name)
            info = model.model_fields.get(name)
            section = info and section_of(info)
            if info is None:
                known = {".".join(leaf[:size]) for leaf in LEAVES for size in range(1, len(leaf) + 1)}
                self._report_unknown(".".join(key), known, origin(key))
            elif section is None:
                yield key, value
            elif isinstance(value, Mapping):
                yield from self._settings(value, section, key, origin)
            else:
                dotted = ".".join(key)
                self._problems.append(f"{dotted} ({origin(key)}): must be a table; write [{dotted}]")

    def read_file(self, file: Path) -> None:
        """Take a TOML file."""
        try:
            with file.open("rb") as raw:  # the source takes a file that is not there for an empty one
                marked = raw.read(3) == codecs.BOM_UTF8
            if marked:
                self._problems.append(
                    f"{file} (settings file): begins with a byte order mark (BOM), which is not TOML; save it as UTF-8"
                    rf" without one, or run `sed -i '1s/^\xEF\xBB\xBF//' {file}`"
                )
                return
            source = TomlConfigSettingsSource(Settings, file)
        except (OSError, ValueError) as error:
            wrong = error.strerror if isinstance(error, OSError) else f"not valid TOML: {error}"
            self._problems.append(f"{file} (settings file): {wrong}; mend it or name another with --config")
            return
        self.add(source, lambda _key: f"file {file}")

    def read_credentials(self, folder: Path) -> None:
        """Take systemd credentials: files `section__key`, and `accounts`; names unlike any setting's are not ours."""
        known = {"__".join(key): key for key in LEAVES}
        try:
            there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            files = [path for path in there if "__" in path.name or path.name in known]
            for path in there:
                if path not in files and (meant := _meant(path.name)):
                    self._problems.append(
                        f"{path.name} (credential): is not read under this name; rename it to {meant}"
                    )
            texts = {
                path.name: path.read_text(encoding="utf-8-sig").strip() for path in files if path.is_file()
            }
        except (OSError, UnicodeDecodeError) as error:
            wrong = error.strerror if isinstance(error, OSError) else "a file is not UTF-8 text"
            self._problems.append(f"{folder} (credentials): {wrong}; mend the unit's LoadCredential= lines")
            return
        self._read_texts(texts, known, "credential")

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take `RHEOD_SECTION__KEY` variables."""
        known = {PREFIX + "__".join(key).upper(): key for key in LEAVES}
        ours = {name for name in environ if name.startswith(PREFIX) and name != "RHEOD_CONFIG"}
        self._read_texts({name: environ[name] for name in sorted(ours)}, known, "environment")

    def _read_texts(self, texts: Mapping[str, str], known: Mapping[str, Key], place: str) -> None:
        """Add a layer of texts by their names in `place`; those that cannot be taken are reported and left out."""
        taken: dict[Key, str] = {}  # a setting and the name it is given by
        for name, text in texts.items():
            key = known.get(name)
            if member := _MEMBER_TOKEN.fullmatch(name):
                if text:
                    self._member_tokens[_capitals(member[1])] = (text, f"{place} {name}")
            elif key is None:
                self._report_unknown(name, known, place)
            elif not text and LEAVES[key].default is None:
                pass  # an empty variable of a compose file is as good as not there
            elif is_quoted(text):
                self._problems.append(
                    f"{'.'.join(key)} ({place} {name}): has quotes around it; write it without, nothing takes them off"
                )
            elif _lacks_json(LEAVES[key].annotation, text):
                self._problems.append(
                    f"{'.'.join(key)} ({place} {name}): must be JSON; write a JSON list or object"
                )
            else:
                taken[key] = name
        source = _Texts({"__".join(key): texts[name] for key, name in taken.items()})
        self.add(source, lambda key: f"{place} {taken[key]}")

    def _report_unknown(self, name: str, known: Iterable[str], origin: str) -> None:
        self._problems.append(f"{name} ({origin}): unknown setting; {_nearest(name, known)}")

    def _place_member_tokens(self) -> None:
        """Give each token to the one account whose reference, in capitals and with `_` for signs, it names."""
        accounts = next(
            (layer.values[_ACCOUNTS] for layer in reversed(self._layers) if _ACCOUNTS in layer.values), ()
        )
        members = [each for each in accounts if isinstance(each, dict)] if isinstance(accounts, list) else []
        for name, (token, origin) in self._member_tokens.items():
            named = [each for each in members if _capitals(str(each.get("reference"))) == name]
            if len(named) == 1:
                named[0]["user_token"] = token
            else:
                found = "several references" if named else "no reference"
                self._problems.append(
                    f"accounts ({origin}): names {found} of [[accounts]]; rename one of them"
                )

    def build(self) -> Settings:
        """The validated tree, or everything that is wrong."""
        self._place_member_tokens()
        try:
            settings = Settings.of(tuple(reversed(self._layers)), self._origins)
        except ValidationError as error:
            wrong = [self._explain(detail["loc"], detail["msg"]) for detail in error.errors()]
            raise SettingsError("\n".join(self._problems + wrong)) from error
        if self._problems:
            raise SettingsError("\n".join(self._problems))
        return settings

    def _explain(self, loc: tuple[int | str, ...], message: str) -> str:
        """One line on a value that failed its check, with the name and the place its owner knows it by."""
        names = tuple(str(part) for part in loc)
        key = next(
            (names[:size] for size in range(len(names), 0, -1) if names[:size] in self._origins), names
        )
        name = ".".join(names)
        where = self._origins.get(key, "settings")
        if message.startswith("Extra inputs"):
            return f"{name} ({where}): unknown setting; {_nearest(names[-1], AccountSettings.model_fields)}"
        wrong = message.removeprefix("Value error, ").replace("Input should be", "must be")
        if wrong == "Field required":
            return f"{name} ({where}): is missing; add it"
        default = LEAVES[key].default if key in LEAVES else None
        if isinstance(default, bool | int | float | str | Path):
            return f"{name} ({where}): {wrong}; change it, or remove it for the default {_plain(default)}"
        return f"{name} ({where}): {wrong}; change it or remove it"


def _meant(name: str) -> str | None:
    """The name that a misnamed file of a secret should have: other signs, capitals, an ending, or no section."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"\.(txt|key|secret|token|env)$", "", name.lower()))
    plain = plain.removeprefix("rheod")
    names: dict[str, str] = {}
    for key in LEAVES:
        if "SecretStr" in str(LEAVES[key].annotation):
            names["".join(key).replace("_", "")] = names[key[-1].replace("_", "")] = "__".join(key)
    close = difflib.get_close_matches(plain, names, n=1, cutoff=0.85)
    return names[close[0]] if close else None


def _capitals(reference: str) -> str:
    """A reference as the name of a variable can hold it."""
    return re.sub(r"[^0-9A-Z]", "_", reference.upper())


def _is_table_or_list(kind: object) -> bool:
    return get_origin(kind) in {tuple, dict} or any(_is_table_or_list(part) for part in get_args(kind))


def _lacks_json(kind: object, text: str) -> bool:
    """Whether the value must be JSON, since no plain word can be it, and this is none."""
    if not _is_table_or_list(kind) or any(get_origin(part) is Literal for part in get_args(kind)):
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def _nearest(name: str, known: Iterable[str]) -> str:
    """The fix for an unknown name: the nearest known one, by the whole name or else by its last part."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if not close:
        last = {re.split(r"__|\.", candidate)[-1]: candidate for candidate in names}
        close = [last[part] for part in difflib.get_close_matches(re.split(r"__|\.", name)[-1], last, 1, 0.8)]
    return f"did you mean {close[0]}?" if close else "remove it"


def _plain(value: Any) -> Any:
    """A value as JSON has it, with every secret masked."""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str | dict) else str(value)


def masked(settings: Settings) -> dict[str, dict[str, Any]]:
    """For `config show`: each setting's dotted name with its `value` (secrets as stars) and where it came `from`."""
    return {
        ".".join(key): {"value": _plain(settings.value(key)), "from": settings.origin(key)} for key in LEAVES
    }


def secret_values(settings: Settings) -> list[str]:
    """Every secret in clear, for the log's redaction and nothing else."""
    values = [settings.value(key) for key in LEAVES] + [account.user_token for account in settings.accounts]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def missing_for_publishing(settings: Settings, *, member: bool = False) -> list[str]:
    """The settings without which publishing for the default account, or for a member, waits."""
    keys = ("app_id", "app_key") if member else ("app_id", "app_key", "user_id", "user_token")
    return [f"tradera.{key}" for key in keys if getattr(settings.tradera, key) is None]


def missing_at_start(settings: Settings) -> list[str]:
    """The same for whoever sells: an owner who has members need not sell anything."""
    tradera = settings.tradera
    only_members = bool(settings.accounts) and tradera.user_id is None and tradera.user_token is None
    return missing_for_publishing(settings, member=only_members)


def warnings(settings: Settings) -> list[str]:
    """Sentences on settings that are only for development or cannot work out; the daemon logs them at start."""
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
        if _clear_text(settings.value(key) or "")
    )
    tradera, cost = settings.tradera, publish_cost(settings.tradera.defaults.max_images)
    if tradera.total is not None:
        quota = Quota(reserve_share=tradera.reserve_share)
        if cost > (most := quota.ceiling(TOTAL, CallClass.PUBLISH, tradera.total)):
            found.append(
                f"tradera.quota.total leaves {most} calls for publishing, and an item with tradera.defaults.max_images ="
                f" {tradera.defaults.max_images} pictures takes {cost}: such items will fail"
            )
    found.extend(str(line) for line in superseded(settings))
    if (held := held_to_daily_calls(settings)) is not None:
        found.append(f"{held}: take the line out unless Tradera has told you such a limit")
    if settings.debug.crash_at:
        found.append("debug.crash_at is set: rheod will kill itself, as its own tests want")
    return found


def _clear_text(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return parts.scheme == "http" and not local
