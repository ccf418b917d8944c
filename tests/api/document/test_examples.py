"""What the document shows as a request works when it is sent."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any
from urllib.parse import quote

from tests.api.running import Api, Reply


def ids_of(reply: Reply) -> list[str]:
    """The ids an answer tells."""
    return re.findall(r'"(?:id|eventId)":\s*"([^"]+)"', reply.raw.decode())


async def test_every_example_of_a_body_is_accepted(api: Api) -> None:
    """Each call with a body is made with its own example and answers with its success."""
    await prepare(api)
    document = (await api.call("GET", "/openapi.json")).body
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            body = operation["requestBody"]["content"]["application/json"]["example"]
            reply = await sent(api, method.upper(), filled(path, operation), operation, body)
            assert str(reply.status) in operation["responses"], reply.raw
            assert reply.status < 300, (method, path, reply.raw)


async def test_the_commands_of_the_page_are_the_documented_calls(api: Api) -> None:
    """A command pasted from `/docs` has the method, the path, the key and the body of its operation."""
    await prepare(api)
    document = (await api.call("GET", "/openapi.json")).body
    page = (await api.call("GET", "/docs")).raw.decode()
    commands = [
        unescaped(each) for each in re.findall(r"<pre><code>(curl .*?)</code></pre>", page, re.DOTALL)
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
        given = {
            name: value.replace("$KEY", api.key).replace("$TOKEN", api.admin)
            for name, value in headers.items()
        }
        reply = await api.call(words[2], url, data=data, headers={"x-api-key": None, **given})
        assert reply.status < 300 or reply.status in {404, 409}, (command, reply.raw)


def unescaped(text: str) -> str:
    for written, character in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, character)
    return text


async def prepare(api: Api) -> None:
    """The item the examples are about."""
    await api.call("PUT", "/integration/v1/items/ERP_PART_12345", {"title": "Bromsok", "price": 950})


def filled(path: str, operation: Any) -> str:
    """The path with the examples of its segments."""
    for each in operation["parameters"]:
        if each.get("in") == "path":
            path = path.replace("{" + each["name"] + "}", quote(each["example"], safe=""))
    return path


async def sent(api: Api, method: str, path: str, operation: Any, body: Any) -> Reply:
    """The call as whoever may make it."""
    call = api.own if {"owner": []} in operation["security"] else api.call
    return await call(method, path, data=json.dumps(body).encode())
