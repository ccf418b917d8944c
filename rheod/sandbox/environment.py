"""The environment the sandbox runs in: nothing that could lead to real accounts, a proxy, or the owner's own rheod.

Only names of variables are known here; what the simulators need is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_HIDDEN_PREFIXES = ("RHEOD_", "AWS_", "LISTEN_", "WATCHDOG_")
_HIDDEN = {
    *("NOTIFY_SOCKET", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "INVOCATION_ID"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}
_NO_AWS_FILES = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any of that, and with no AWS files."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_HIDDEN_PREFIXES) and name.upper() not in _HIDDEN
    }
    return kept | _NO_AWS_FILES


def enter_clean_environment() -> None:
    """Make it this process's environment, and so its children's; for a command, which has no other use for it."""
    clean = clean_environment(os.environ)
    for name in set(os.environ) - set(clean):
        del os.environ[name]
    os.environ.update(clean)
