"""The systemd units as they come with the program, written for where it really lies; an owner's edits are kept.

Each written file begins with a line that holds the sum of the rest: a file whose sum is right is ours to replace.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import rheod
from rheod.cli.installer.program import COPY
from rheod.cli.installer.steps import InstallPaths, Step, write_file

FOLDER = "/etc/systemd/system"
SERVICE = "rheod.service"
CREDENTIALS = f"{FOLDER}/{SERVICE}.d/50-credentials.conf"
SECRETS = "/etc/rheod/secrets"
_STAMP = "# Written by rheod setup; changes belong into a drop-in (systemctl edit rheod). Sum "
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]+__[A-Za-z0-9_.-]+")


def shipped(name: str) -> Path:
    """A file of the top level that comes with the program: in an installed package, or in the sources."""
    package = Path(rheod.__file__).parent
    inside = package / "shipped" / name
    return inside if inside.exists() else package.parent / name


def unit_names() -> list[str]:
    """The units there are, the service first."""
    found = {file.name for file in shipped("systemd").iterdir() if file.suffix in {".service", ".timer"}}
    return [SERVICE, *sorted(found - {SERVICE})]


def unit_text(name: str, command: str) -> str:
    """A unit for the program at `command`, stamped."""
    text = (shipped("systemd") / name).read_text(encoding="utf-8")
    return stamped(text.replace(f"{COPY}/bin/rheod", command))


def stamped(text: str) -> str:
    """The text below a line with its sum."""
    return f"{_STAMP}{_sum(text)}\n{text}"


def is_ours(text: str) -> bool:
    """Whether setup wrote it and nobody has edited it since."""
    head, _, rest = text.partition("\n")
    return head == f"{_STAMP}{_sum(rest)}"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_units(place: InstallPaths, command: str) -> Iterator[Step]:
    """A step for every unit; one that its owner has edited is kept, and this version's is put beside it."""
    for name in unit_names():
        shown = f"{FOLDER}/{name}"
        file, wanted = place.at(shown), unit_text(name, command)
        found, write = _read(file), partial(write_file, file, wanted, 0o644)
        if found is None:
            yield Step(f"write the unit {shown}", write)
        elif found == wanted:
            yield Step(f"keep the unit {shown}: it is right")
        elif is_ours(found) or found == wanted.partition("\n")[2]:
            yield Step(f"replace the unit {shown} by this version's", write)
        else:
            # the names of the settings that differ, never their values: those may be secrets
            names = {line.partition("=")[0] + "=" for line in _settings(found) ^ _settings(wanted)}
            yield Step(
                f"keep the unit {shown}: you have edited it ({', '.join(sorted(names)) or 'remarks only'});"
                f" put this version's beside it as {name}.new",
                partial(write_file, file.with_name(f"{name}.new"), wanted, 0o644),
            )


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _settings(text: str) -> set[str]:
    return {line for line in text.splitlines() if "=" in line and not line.startswith(("#", ";"))}


def write_credentials(place: InstallPaths) -> list[Step]:
    """The drop-in that hands the service every secret in /etc/rheod/secrets; their modes are put right."""
    names = secret_names(place)
    steps = [
        Step(f"give {SECRETS}/{file.name} mode 0600", partial(file.chmod, 0o600))
        for file in (place.at(SECRETS) / name for name in names)
        if file.stat().st_mode & 0o777 != 0o600
    ]
    lines = [f"LoadCredential={name}:{SECRETS}/{name}" for name in names]
    wanted = stamped("\n".join(["[Service]", *lines, ""]))
    file = place.at(CREDENTIALS)
    if _read(file) != wanted:
        handed = ", ".join(names) or "none yet"
        steps.append(
            Step(f"hand the secrets to the service ({handed})", lambda: write_file(file, wanted, 0o644))
        )
    return steps


def secret_names(place: InstallPaths) -> list[str]:
    """The files in /etc/rheod/secrets that are named as a setting is."""
    folder = place.at(SECRETS)
    if not folder.is_dir():
        return []
    return sorted(file.name for file in folder.iterdir() if _CREDENTIAL.fullmatch(file.name))


def remove_units(place: InstallPaths) -> Iterator[Step]:
    """Stop, disable and remove every unit that is there."""
    names = [name for name in unit_names() if place.at(f"{FOLDER}/{name}").exists()]
    if names:
        yield place.control("disable", "--now", *names)
    files = [f"{FOLDER}/{name}{end}" for name in unit_names() for end in ("", ".new")] + [CREDENTIALS]
    for shown in files:
        file = place.at(shown)
        if file.exists():
            yield Step(f"remove {shown}", file.unlink)
    if names:
        yield place.control("daemon-reload")
