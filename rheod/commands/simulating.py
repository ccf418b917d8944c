"""`rheod demo` and `rheod sandbox`: both need the extra packages of `rheod[sandbox]`."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from rheod.commands import WRONG_USAGE, CommandFailed
from rheod.sandbox.environment import enter_clean_environment

_EXTRA = ("moto", "flask", "openapi_schema_validator")


def demo(arguments: Namespace) -> int:
    """`rheod demo`: the whole loop on this machine."""
    _require_extra()
    from rheod.sandbox.demo import run_demo  # noqa: PLC0415 - after the check, so that the hint comes first

    keep = None if arguments.keep is None else Path(arguments.keep)
    if keep is not None and keep.exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise CommandFailed(
            f"--keep {keep} is there and not an empty folder: name a new one", status=WRONG_USAGE
        )
    enter_clean_environment()
    return asyncio.run(run_demo(once=arguments.once, as_json=arguments.json, keep=keep))


def sandbox(arguments: Namespace) -> int:
    """`rheod sandbox`: only the simulators, until Ctrl-C."""
    _require_extra()
    from rheod.sandbox.town import run_sandbox  # noqa: PLC0415 - as above

    enter_clean_environment()
    return asyncio.run(run_sandbox(arguments.port))


def _require_extra() -> None:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise CommandFailed(f"The simulators need {', '.join(missing)}: pip install 'rheod[sandbox]'")
