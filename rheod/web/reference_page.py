"""The page at `/docs`: the OpenAPI document to read, in one file without scripts and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from markupsafe import Markup, escape

from rheod.web.reference_view import view
from rheod.web.sheets import sheets

_MARKS = (
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
)


def render(document: dict[str, Any]) -> tuple[str, Mapping[str, str]]:
    """The page, and the headers that let it load nothing but its own style."""
    style = resources.files("rheod.web").joinpath("templates/reference.css").read_text(encoding="utf-8")
    environment = sheets()
    environment.filters["marked"] = marked
    html = environment.get_template("reference.html").render(
        document=document, style=style, view=view(document)
    )
    return html, {
        "Content-Security-Policy": _policy(style),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }


def marked(text: str) -> Markup:
    """The little of CommonMark that the document uses: bold and code."""
    html = str(escape(text))
    for pattern, written in _MARKS:
        html = pattern.sub(written, html)
    return Markup(html)  # noqa: S704 - escaped above


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
