"""Hundreds of hostile JSON bodies over a real socket: the right refusal for each, no fault and no hang."""

from __future__ import annotations

import time

from structlog.testing import capture_logs

from tests.api.hostile_json import Document, documents
from tests.api.running import Api


async def test_every_hostile_document_has_its_answer(api: Api) -> None:
    """What is JSON is taken or named by its field, what is not is 400; never a 5xx, never slow, nothing echoed."""
    table = list(documents())
    assert len(table) >= 300
    wrong: dict[str, str] = {}
    with capture_logs() as lines:
        for document in table:
            if sentence := await complaint(api, document):
                wrong[document.name] = sentence
    assert wrong == {}
    assert {line["log_level"] for line in lines} == {"info"}


async def complaint(api: Api, document: Document) -> str | None:
    """What is not as it should be in the answer to a document; None when all is well."""
    began = time.process_time()
    reply = await api.call("PUT", "/integration/v1/items/J1", data=document.body)
    if reply.status not in document.allowed:
        return f"status {reply.status}, allowed {sorted(document.allowed)}: {reply.raw[:200]!r}"
    if reply.status != 202 and reply.body["statusCode"] != reply.status:
        return f"shape {reply.raw[:200]!r}"
    spent = time.process_time() - began  # of this process alone, in which the API runs: others may be busy
    if len(reply.raw) > 4096 or spent > 1:
        return f"{len(reply.raw)} bytes for {spent:.1f} s of work"
    return None
