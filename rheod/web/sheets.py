"""Jinja over our templates, for the dashboard and the reference alike: strict, and escaping everything.

It is loaded with the first page that is shown, since most daemons show none for days.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rheod.web import charts, styles
from rheod.web.words import iso

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def sheets() -> Environment:
    """The templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - five megabytes

    environment = Environment(
        loader=PackageLoader("rheod.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"style": styles.ADDRESS, "bars": charts.bars, "iso": iso}
    return environment
