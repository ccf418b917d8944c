"""The log pipeline over real pipes: what a line holds, what it must never hold, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pty
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, Literal, TextIO

import pytest
import structlog
from pydantic import TypeAdapter

from rheod import logs
from rheod.logs import LogOutput, redact_values

Format = Literal["auto", "json", "text"]


class Reader:
    """A pipe that the pipeline writes to, and that is read only when a test says so."""

    def __init__(self) -> None:
        self.end, writing = os.pipe()
        self.stream: TextIO = os.fdopen(writing, "w")
        self.output: LogOutput | None = None

    def configure(
        self, *, form: Format = "json", level: str = "info", journald: bool = False
    ) -> structlog.stdlib.BoundLogger:
        """Point the pipeline here, and away from pytest's own handlers, which raise what ours must bear."""
        self.output = logs.configure(format=form, level=level, stream=self.stream, journald=journald)
        del logging.getLogger().handlers[:-1]
        logger: structlog.stdlib.BoundLogger = structlog.get_logger("rheod.test")
        return logger

    def writing(self) -> LogOutput:
        """The pipeline's writing side."""
        assert self.output is not None
        return self.output

    def text(self) -> str:
        """Everything written until now: the pipeline is closed first."""
        assert self.writing().close()
        self.stream.close()
        with os.fdopen(os.dup(self.end), "rb") as pipe:
            return pipe.read().decode()

    def events(self) -> list[dict[str, Any]]:
        """The same as JSON lines."""
        return [json.loads(line) for line in self.text().splitlines()]

    def drain_until(self, wanted: bytes) -> bytes:
        """Read until a text came by."""
        seen = b""
        while wanted not in seen:
            seen += os.read(self.end, 65_536)
        return seen

    def close(self) -> None:
        """Leave nothing behind: a writer that still waits gets an error and ends."""
        os.close(self.end)
        self.stream.close()
        if self.output is not None:
            assert self.output.close(deadline_s=5)


@pytest.fixture
def reader() -> Iterator[Reader]:
    root = logging.getLogger()
    level = root.level
    found = Reader()
    yield found
    found.close()
    root.handlers.pop()
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_of_ours_has_time_level_logger_context_and_fields(reader: Reader) -> None:
    """ISO time in UTC with Z and milliseconds; context variables unasked; auto is JSON here."""
    log = reader.configure(form="auto")
    with structlog.contextvars.bound_contextvars(item="itm_1"):
        log.info("picture %s fetched", "å.jpg", size=3)
    (event,) = reader.events()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("timestamp"))
    assert (event.pop("level"), event.pop("logger")) == ("info", "rheod.test")
    assert event == {"event": "picture å.jpg fetched", "item": "itm_1", "size": 3}


def test_libraries_go_through_the_same_pipeline(reader: Reader) -> None:
    """Stdlib lines get the context and the redaction too, and Python's warnings arrive as lines."""
    reader.configure()
    with structlog.contextvars.bound_contextvars(item="itm_1"):
        logging.getLogger("aiohttp.server").error("refused %s", "rheo_live_abcDEF123")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old way", DeprecationWarning, stacklevel=1)
    first, second = reader.events()
    assert (first["logger"], first["item"], first["event"]) == (
        "aiohttp.server",
        "itm_1",
        "refused rheo_live_***",
    )
    assert second["logger"] == "py.warnings"
    assert "old way" in second["event"]


@pytest.mark.parametrize(("level", "seen"), [("debug", ["ours", "theirs"]), ("warning", ["theirs"])])
def test_levels_are_obeyed_and_talkative_libraries_kept_quiet(
    reader: Reader, level: str, seen: list[str]
) -> None:
    """At debug our own lines appear, but not botocore's and aiosqlite's, which hold credentials and values."""
    log = reader.configure(level=level)
    log.debug("ours")
    logging.getLogger("botocore.auth").debug("CanonicalRequest")
    logging.getLogger("aiosqlite").debug("insert")
    logging.getLogger("botocore").warning("theirs")
    assert [event["event"] for event in reader.events()] == seen


def test_configuring_again_replaces(reader: Reader) -> None:
    """A second set-up does not write every line twice."""
    reader.configure()
    first = reader.writing()
    reader.configure(form="text").info("once")
    assert first.close()
    assert reader.text().count("once") == 1


LATE = "canary"  # joined at run time, since a trace shows source lines


FORGED = "first line\n2030-01-01T00:00:00.000Z info     forged whsec_canary"


def _fail(api_key: str, message: str) -> None:
    _ = api_key
    raise ValueError(message)


def _say_failure(
    log: structlog.stdlib.BoundLogger, *, api_key: str = "", message: str = FORGED, **fields: object
) -> None:
    try:
        _fail(api_key, message)
    except ValueError:
        log.exception("it failed", **fields)


@pytest.mark.parametrize("form", ["json", "text"])
def test_exceptions_are_shown_without_locals(reader: Reader, form: Format) -> None:
    """The trace names functions and the message; arguments, local variables and refused input stay out."""
    log = reader.configure(form=form)
    _say_failure(log, api_key="local" + LATE)
    try:
        TypeAdapter(int).validate_python("input" + LATE)
    except ValueError:
        logging.getLogger("lib").exception("not valid")
    text = reader.text()
    expected = ["_fail", "first line", "whsec_***", "input_value=***"]
    assert [word for word in expected if word in text] == expected
    assert "canary" not in text


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_message_can_pass_for_a_line_of_its_own(reader: Reader, form: Format) -> None:
    """Line breaks, escapes and direction marks are written out; the lines of a trace are marked as such."""
    log = reader.configure(form=form)
    nasty = "a\nforged\r\x1b[31m\x85\u2028\u202e\ud800\x00"
    log.info(nasty, **{"key": nasty, "k\ney": 1, "stack": nasty})
    _say_failure(log)
    text = reader.text()
    assert not set(text) & set("\r\x1b\x85\u2028\u202e\x00")
    stamped = [line for line in text.splitlines() if not line.startswith("  | ")]
    assert len(stamped) == 2
    assert "forged" in stamped[0]
    assert "\\u202e" in stamped[0]


SECRETS = [
    "key rheo_live_canary0123456789abcdefghijk",
    "secret=whsec_canary/+==",
    "AKIACANARY0123456789 or ASIACANARY0123456789",
    "Authorization: Bearer canary-0123456789",
    str({"authorization": "Basic canary"}),
    str([(b"Authorization", b"Bearer canary")]),
    "authorization: AWS4-HMAC-SHA256 Credential=canary/x, Signature=canary",
    "sent bearer canary0123456789",
    "X-App-Key: canary",
    str({"X-User-Token": "canary"}),
    "x-api-key=canary",
    "Set-Cookie: session=canary; Path=/",
    "X-Amz-Signature=canary&x=1",
    "GET https://x.test/a?token=canary",
    "https://x.test/a#canary",
    "ftp://user:canary@x.test/a",
    "it was test-canary-literal.",
]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_redacted_wherever_they_stand(reader: Reader, form: Format, secret: str) -> None:
    """As event, field, key, nested value, foreign object, stdlib argument, context or exception."""
    redact_values(["test-canary-literal", "canary"[:3]])
    log = reader.configure(form=form)
    with structlog.contextvars.bound_contextvars(context=secret):
        log.info(secret, field=secret, nested={"list": [(secret,)], secret: 1}, thing=Exception(secret))
    logging.getLogger("lib").info("%s", secret)
    _say_failure(log, message=secret, data=secret.encode())
    text = reader.text()
    assert len([line for line in text.splitlines() if not line.startswith("  | ")]) == 3
    assert "canary" not in text.lower()


def test_values_under_secret_names_are_masked(reader: Reader) -> None:
    """Whatever the value looks like; absence may be seen, and addresses keep what one looks for."""
    log = reader.configure()
    names = re.findall(
        r"\S+", "app_key X-App-Key user_token password Cookie secret_access_key webhook_secret"
    )
    log.info("set", **dict.fromkeys(names, "x"), api_key=None, url="https://cdn.test/a/b.jpg?w=1", keys=3)
    (event,) = reader.events()
    assert {event[name] for name in names} == {"***"}
    assert (event["api_key"], event["url"], event["keys"]) == (None, "https://cdn.test/a/b.jpg?***", 3)


@pytest.mark.parametrize("form", ["json", "text"])
def test_lines_are_capped(reader: Reader, form: Format) -> None:
    """Whatever is logged, an entry stays under 8 kB, keeps its event and says that it was cut."""
    log = reader.configure(form=form, journald=True)
    log.info("long text", text="å" * 100_000)
    log.info("much text", texts=["x" * 5_000] * 500)
    log.info("many keys", **{f"key{number}": "\x00" * 300 for number in range(500)})
    log.info("e" * 20_000)
    _say_failure(log, message="x" * 30_000 + " the end")
    text = reader.text()
    assert "the end" in text
    lines = [line for line in text.splitlines() if not line.startswith("<3>  | ")]
    assert max(len(line.encode()) for line in lines) <= 8_192
    for line, event in zip(lines, ("long text", "much text", "many keys", "eeee", "it failed"), strict=True):
        assert event in line
        assert "truncated" in line


class _Rude:
    def __str__(self) -> str:
        raise RuntimeError("canary")


def test_a_line_that_cannot_be_made_hurts_nobody(reader: Reader) -> None:
    """Objects that raise and wrong arguments leave a line that says so, not an exception in the caller."""
    log = reader.configure()
    loop: dict[str, object] = {}
    loop["self"] = loop
    log.info("rude", thing=_Rude())
    logging.getLogger("lib").info("%d", "one")
    log.info("endless", thing=loop)
    first, second, third = reader.events()
    assert (first["event"], first["error"]) == ("log line could not be made", "RuntimeError")
    assert (second["source"], second["error"]) == ("lib", "TypeError")
    assert third["event"] == "endless"


@pytest.mark.parametrize("form", ["json", "text"])
def test_journald_priorities_stand_before_every_line(reader: Reader, form: Format) -> None:
    """Debug 7, info 6, warning 4, error 3, critical 2; each line of a trace too, since journald splits them."""
    log = reader.configure(form=form, level="debug", journald=True)
    for say in (log.debug, log.info, log.warning, log.error, log.critical):
        say("said")
    _say_failure(log)
    lines = reader.text().splitlines()
    assert [line[:3] for line in lines[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert len(lines) > (9 if form == "text" else 5)
    assert {line[:3] for line in lines[5:]} == {"<3>"}


def test_auto_is_coloured_text_on_a_terminal(reader: Reader) -> None:
    """A pseudo-terminal gets readable lines; values that need it are quoted."""
    main, side = pty.openpty()
    with os.fdopen(side, "w") as terminal:
        output = logs.configure(format="auto", level="info", stream=terminal, journald=False)
        structlog.get_logger("rheod.test").warning("said", a="b", c="d e", n=1)
        assert output.close()
        text = os.read(main, 4096).decode()
    os.close(main)
    assert "\x1b[33mwarning" in text
    assert text.rstrip().endswith('said logger=rheod.test a=b c="d e" n=1')
    reader.configure()


def _say_until_dropped(reader: Reader, *, lines: int) -> int:
    """Say more than nobody reads; how many lines were said."""
    log, output, said = reader.configure(), reader.writing(), 0
    while output.dropped < lines:
        log.info("said", number=said, filling="x" * 500)
        said += 1
        assert said < 20_000
    return said


async def test_a_stalled_reader_does_not_hold_up_the_loop(reader: Reader) -> None:
    """Nobody reads the pipe: thousands of lines later the loop has stood still for no noticeable time at any of them.

    One round in twenty may be late, for on a busy machine another process may have had its turn.
    """
    log, output = reader.configure(), reader.writing()
    spent: list[float] = []
    for _ in range(300):
        before = time.monotonic()
        for _ in range(10):
            log.info("said", filling="x" * 500)
        spent.append(time.monotonic() - before)
        await asyncio.sleep(0)
    assert output.dropped > 1_000
    assert sorted(spent)[-len(spent) // 20] < 0.25


def test_dropped_lines_are_counted_when_it_flows_again(reader: Reader) -> None:
    """Written lines and the count add up to what was said, and the newest lines after the stall come through."""
    said = _say_until_dropped(reader, lines=100)
    log, output = structlog.get_logger("rheod.test"), reader.writing()
    seen = reader.drain_until(b"log lines dropped")
    log.info("after")
    seen += reader.drain_until(b"after")
    events = [json.loads(line) for line in seen.splitlines()]
    counts = [event["count"] for event in events if event["event"].startswith("log lines dropped")]
    assert counts == [output.dropped]
    assert len([event for event in events if event["event"] == "said"]) + sum(counts) == said
    assert events[-1]["event"] == "after"


def test_closing_gives_up_on_a_stalled_reader(reader: Reader) -> None:
    """The deadline holds, later lines are ignored, and closing twice does no harm."""
    _say_until_dropped(reader, lines=1)
    log, output = structlog.get_logger("rheod.test"), reader.writing()
    assert output.close(deadline_s=0.1) is False  # were it to wait for the reader, it would wait for ever
    assert output.close(deadline_s=0.1) is False
    dropped = output.dropped
    log.info("too late")
    assert output.dropped == dropped


def test_a_reader_that_is_gone_does_no_harm(reader: Reader) -> None:
    """A closed pipe ends neither the process nor the thread."""
    log, output = reader.configure(), reader.writing()
    os.close(reader.end)
    reader.end = os.open(os.devnull, os.O_RDONLY)
    for _ in range(2_000):
        log.info("said")
    assert output.close()


def test_a_non_blocking_pipe_is_waited_for(reader: Reader) -> None:
    """Another owner of the pipe may have set O_NONBLOCK: no line is torn or lost for it."""
    os.set_blocking(reader.stream.fileno(), False)
    log = reader.configure()
    for number in range(500):
        log.info("said", number=number, filling="x" * 500)
    log.info("last")
    events = [json.loads(line) for line in reader.drain_until(b"last").splitlines()]
    assert [event.get("number") for event in events] == [*range(500), None]


_STALLED = """
import sys, structlog
from rheod import logs
logs.configure(format="json", level="info", stream=sys.stdout, journald=False)
for _ in range(5000):
    structlog.get_logger().info("x" * 500)
print("done", file=sys.stderr)
"""


def test_a_process_with_a_stalled_reader_can_end() -> None:
    """The thread that waits for the pipe holds no lock that the interpreter's end would need."""
    command = [sys.executable, "-c", _STALLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b"done\n"
