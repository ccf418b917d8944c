"""The page made of a document: whatever stands in it is text."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from rheod.web.reference_view import marked, render, view

SCRIPT = "<script>alert(1)</script>"


def hostile() -> dict[str, Any]:
    """A document with a script wherever text may stand."""
    body = {
        "type": "object",
        "properties": {SCRIPT: {"type": "string", "description": SCRIPT, "enum": [SCRIPT]}},
    }
    content = {
        "application/json": {"schema": {"$ref": "#/components/schemas/A"}, "example": {"a": f"'{SCRIPT}"}}
    }
    operation = {
        "operationId": "one",
        "tags": ["T"],
        "summary": SCRIPT,
        "description": SCRIPT,
        "parameters": [{"name": SCRIPT, "in": "query", "schema": {"type": "integer"}, "description": SCRIPT}],
        "requestBody": {"description": SCRIPT, "content": content},
        "responses": {"200": {"description": SCRIPT, "content": content}},
        "security": [{"partner": []}],
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": SCRIPT, "version": SCRIPT, "description": f"**{SCRIPT}**\n\n`{SCRIPT}`"},
        "servers": [{"url": SCRIPT}],
        "tags": [{"name": "T", "description": SCRIPT}],
        "paths": {f"/{SCRIPT}": {"post": operation}},
        "webhooks": {
            SCRIPT: {
                "post": {
                    **operation,
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {"allOf": [{}, {"properties": {"data": body}}]},
                                "example": SCRIPT,
                            }
                        }
                    },
                }
            }
        },
        "components": {"schemas": {"A": body}, "securitySchemes": {}},
    }


def test_text_of_the_document_is_never_markup() -> None:
    """A script in any place of the document is shown, not run."""
    html, _ = render(hostile())
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 15


def test_the_policy_names_the_style_of_the_page() -> None:
    """The digest in the header is that of the bytes between the style tags, so browsers take it."""
    html, headers = render(hostile())
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in headers["Content-Security-Policy"]


def test_only_bold_and_code_are_read_as_marks() -> None:
    """Two marks are written as HTML, everything else stays as it is."""
    assert str(marked("**a** `b<c` <i>")) == "<strong>a</strong> <code>b&lt;c</code> &lt;i&gt;"


def test_the_commands_of_a_group_work_when_pasted_one_after_the_other() -> None:
    """What is made comes first and what is removed last, whatever the order of their paths."""
    document = hostile()
    (operation,) = (each["post"] for each in document["paths"].values())
    document["paths"] = {
        "/items": {"get": operation},
        "/items/{id}": {"get": operation, "put": operation, "delete": operation},
        "/items/{id}/price": {"patch": operation},
    }
    (group,) = view(document).groups
    assert [call.method.lower() for call in group.calls] == ["put", "get", "get", "patch", "delete"]
