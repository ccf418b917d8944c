"""What the document shows as a request works when it is sent."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.contract.stocked import NEEDED, hooks_that_call_nobody, stocked
from tests.api.running import Api, OpenApi, Reply
from tests.pictures.picture_shop import picture


@pytest.fixture
async def pasted_at(open_api: OpenApi) -> AsyncIterator[Api]:
    """An API that can be asked for test events and sends none."""
    async with hooks_that_call_nobody() as hooks:
        yield await open_api(hooks=hooks)


async def test_every_example_of_a_body_is_accepted(pasted_at: Api) -> None:
    """Each call with a body is made with its own example and answers with its success."""
    api = pasted_at
    document = await stocked(api)
    known = await real_ids(api)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            if "application/json" not in operation["requestBody"]["content"]:
                continue  # a picture
            body = operation["requestBody"]["content"]["application/json"]["example"]
            needed = [item for part, item in NEEDED.items() if part in path]
            ids = known | ({"externalId": needed[0]} if needed else {})
            reply = await sent(api, method.upper(), filled(path, operation, ids), operation, body)
            assert str(reply.status) in operation["responses"], reply.raw
            assert reply.status < 300, (method, path, reply.raw)


async def test_the_commands_of_the_page_are_the_documented_calls(pasted_at: Api) -> None:
    """A command pasted from `/docs` is understood: it does what it says, or names something this API has not got."""
    api = pasted_at
    document = await stocked(api)
    page = (await api.call("GET", "/docs")).raw.decode()
    commands = [
        html.unescape(each)
        for each in re.findall(r"<pre[^>]*><code>(curl .*?)</code></pre>", page, re.DOTALL)
    ]
    assert len(commands) == sum(map(len, document["paths"].values()))
    for command in commands:
        words = [word for word in shlex.split(command) if word != "\n"]
        headers = {
            words[at + 1].partition(": ")[0]: words[at + 1].partition(": ")[2]
            for at, word in enumerate(words)
            if word == "-H"
        }
        url = words[3].removeprefix("$RHEOD")
        data = words[words.index("-d") + 1].encode() if "-d" in words else None
        if "--data-binary" in words:
            data = picture(size=(640, 480))
        given = {
            name: value.replace("$KEY", api.key).replace("$TOKEN", api.admin)
            for name, value in headers.items()
        }
        reply = await api.call(words[2], url, data=data, headers={"x-api-key": None, **given})
        assert reply.status < 300 or reply.status in {404, 409}, (command, reply.raw)


async def real_ids(api: Api) -> dict[str, str]:
    """What segments must be in place of their examples: ids that only an API can give."""
    keys = (await api.own("GET", "/integration/api-keys")).body["keys"]
    endpoint = await api.own("POST", "/integration/webhooks", {"url": "https://erp.example.com/"})
    events = (await api.own("GET", "/rheod/events")).body["events"]
    return {"key_id": keys[0]["id"], "endpointId": endpoint.body["id"], "eventId": events[0]["eventId"]}


def filled(path: str, operation: Any, known: dict[str, str]) -> str:
    """The path with the examples of its segments, or the real ids."""
    for each in operation["parameters"]:
        if each.get("in") == "path":
            value = known.get(each["name"], each["example"])
            path = path.replace("{" + each["name"] + "}", quote(value, safe=""))
    return path


async def sent(api: Api, method: str, path: str, operation: Any, body: Any) -> Reply:
    """The call as whoever may make it."""
    call = api.own if {"owner": []} in operation["security"] else api.call
    return await call(method, path, data=json.dumps(body).encode())
