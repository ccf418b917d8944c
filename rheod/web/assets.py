"""What the pages are made with: the style sheet, the scripts and the icon, each kept by browsers for good, and the templates."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.web.charts import bars, spark
from rheod.web.language import iso

if TYPE_CHECKING:
    from jinja2 import Environment


class Asset:
    """A file under an address that changes with what is in it; an icon keeps its address, and is kept for a day."""

    def __init__(self, name: str, kind: str, *, lasting: bool = True) -> None:
        self.body = files("rheod.web").joinpath(f"static/{name}").read_bytes()
        stem, _, ending = name.rpartition(".")
        digest = f"-{hashlib.sha256(self.body).hexdigest()[:12]}" if lasting else ""
        self.address = f"/dashboard/static/{stem}{digest}.{ending}"
        self._kind = kind
        self._kept = "public, max-age=31536000, immutable" if lasting else "public, max-age=86400"

    async def send(self, _request: web.Request) -> web.Response:
        """Send it."""
        headers = {
            "Cache-Control": self._kept,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
        }
        return web.Response(body=self.body, content_type=self._kind, charset="utf-8", headers=headers)


STYLE = Asset("rheod.css", "text/css")
LIVE = Asset("live.js", "text/javascript")
FORM = Asset("new.js", "text/javascript")
ICON = Asset("icon.svg", "image/svg+xml", lasting=False)
ASSETS = (STYLE, LIVE, FORM, ICON)


@cache
def templates() -> Environment:
    """Jinja over our templates: strict, and escaping everything. Loaded with the first page: most daemons show none."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - five megabytes

    environment = Environment(
        loader=PackageLoader("rheod.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {
        "style": STYLE.address,
        "script": LIVE.address,
        "form_script": FORM.address,
        "bars": bars,
        "spark": spark,
        "iso": iso,
    }
    return environment
