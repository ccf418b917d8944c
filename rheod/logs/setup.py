"""Sets logging up, once: one pipeline for our own and the libraries' lines, redacted, as JSON or text.

Logging must never hold up the event loop: a line is made by its caller and written by a thread; when the reader of
the stream stalls, lines are dropped and counted. No other module configures logging or writes to standard output
while the daemon runs.

The writing side of the log: a bounded queue and one thread, so that a stalled reader never holds up the event loop.

Knows nothing of what stands in a line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, Literal, TextIO

import structlog
from structlog.processors import ExceptionRenderer, format_exc_info
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from rheod.logs.redaction import redact_fields

MAX_WAITING_LINES = 1_000
LINES_AT_ONCE = 64
"""What has gathered while a line was written goes out with one write."""


class LogOutput:
    """The writing side: a bounded queue and one thread; `stream` must be a real file, pipe or terminal."""

    def __init__(self, *, stream: TextIO, event: Callable[[int], str]) -> None:
        self._descriptor = os.dup(stream.fileno())
        self._event = event
        # SimpleQueue, since a finalizer may log while the same thread is inside put()
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._closed = False
        self._dropped = 0
        self._dropping = threading.Lock()  # callers are in several threads
        self._told = 0  # written by the thread
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were dropped since the start."""
        return self._dropped

    def put(self, line: str) -> None:
        """Queue a line, or count it as dropped when the reader stalls; never waits."""
        if self._closed:
            return
        if self._lines.qsize() >= MAX_WAITING_LINES:
            with self._dropping:
                self._dropped += 1
        else:
            self._lines.put(line)

    def close(self, *, deadline_s: float = 2.0) -> bool:
        """Write what waits, for at most so many seconds; whether all of it went out. Later lines are ignored."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        going_on = True
        while going_on:
            lines = [self._lines.get()]
            lines += [self._lines.get() for _ in range(min(self._lines.qsize(), LINES_AT_ONCE))]
            going_on = None not in lines
            if told := [line for line in lines if line is not None]:
                self._write("\n".join(told))
            if self._lines.qsize() < MAX_WAITING_LINES // 2:
                self._tell_dropped()
        os.close(self._descriptor)

    def _tell_dropped(self) -> None:
        if count := self._dropped - self._told:
            self._told += count
            self._write(self._event(count))

    def _write(self, line: str) -> None:
        data = memoryview((line + "\n").encode(errors="backslashreplace"))
        with suppress(OSError):  # the reader is gone: there is nobody left to tell
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # somebody made the shared pipe non-blocking
            waiting = select.poll()
            waiting.register(self._descriptor, select.POLLOUT)
            waiting.poll()
            return 0


MAX_LINE_BYTES = 8_000

_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_COLOUR = {"critical": 31, "error": 31, "warning": 33, "info": 32, "debug": 2}
_CORE = ("timestamp", "level", "logger", "event")
# These write credentials, statements with their values, or noise below WARNING, whatever level the owner wants.
_TALKATIVE = ("aiobotocore", "aiosqlite", "asyncio", "botocore", "PIL", "urllib3")
_CONTROLS = {
    code: f"\\u{code:04x}"
    for span in ((0, 0x20), (0x7F, 0xA0), (0x200E, 0x2010), (0x2028, 0x202F), (0x2066, 0x206A))
    for code in range(*span)
} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}

_NEEDS_ESCAPES = re.compile("[" + re.escape("".join(map(chr, _CONTROLS))) + "]")
_encode = json.JSONEncoder(ensure_ascii=False).encode


def _cut(value: Any, limit: int) -> Any:
    """The value with long texts cut in the middle and long lists to their ends: both ends of a traceback matter."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[: limit // 2]}…{value[-limit // 2 :]}"
    if isinstance(value, dict):
        return {_cut(key, limit): _cut(item, limit) for key, item in list(value.items())[:40]}
    if isinstance(value, list):
        return [_cut(item, limit) for item in (value if len(value) <= 10 else value[:5] + value[-5:])]
    return value


class _Renderer:
    """Turns an event into its line or lines: never over `MAX_LINE_BYTES`, never with a raw control character."""

    def __init__(self, *, text: bool, colour: bool, journald: bool) -> None:
        self._render = self._text if text else self._json
        self._colour = colour
        self._journald = journald

    def __call__(self, event: Mapping[str, Any]) -> str:
        line = self._prefixed(event)
        for limit in (2_000, 400, 80):
            if len(line.encode(errors="backslashreplace")) <= MAX_LINE_BYTES:
                return line
            line = self._prefixed(_cut(event, limit) | {"truncated": True})
        if len(line.encode(errors="backslashreplace")) <= MAX_LINE_BYTES:
            return line
        return self._prefixed({key: _cut(event[key], 80) for key in _CORE} | {"truncated": True})

    def _prefixed(self, event: Mapping[str, Any]) -> str:
        """With journald's priority in front of every line: to journald each line is an entry of its own."""
        line = self._render(event)
        if not self._journald:
            return line
        prefix = f"<{_PRIORITY.get(event['level'], 6)}>"
        return prefix + line.replace("\n", "\n" + prefix)

    def _json(self, event: Mapping[str, Any]) -> str:
        line = _encode(event)
        return line.translate(_CONTROLS) if _NEEDS_ESCAPES.search(line) else line

    def _text(self, event: Mapping[str, Any]) -> str:
        level = f"{event['level']:<8}"
        if self._colour:
            level = f"\x1b[{_COLOUR.get(event['level'], 0)}m{level}\x1b[0m"
        words = [str(event["timestamp"]), level, str(event["event"]).translate(_CONTROLS)]
        words += [
            f"{key}={_word(value)}".translate(_CONTROLS)
            for key, value in event.items()
            if key not in {"timestamp", "level", "event", "exception"}
        ]
        # each line of a traceback is marked, so that no message can pass for a line of its own
        trace = str(event.get("exception", "")).splitlines()
        return "\n".join([" ".join(words), *(f"  | {line.translate(_CONTROLS)}" for line in trace)])


def _word(value: Any) -> str:
    plain = isinstance(value, str) and value and not set(value) & set(" \"'=")
    return str(value) if plain else _encode(value)


class _Lines:
    """Makes the line of an event; one that cannot be made must not hurt the code that logs."""

    def __init__(self, *, exceptions: Processor, render: _Renderer) -> None:
        self._exceptions = exceptions
        self._render = render

    def of_ours(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """A line of our own, as structlog's one processor."""
        level = "error" if method == "exception" else method
        return self.line(event, at_s=time.time(), level=level, name=logger.name)

    def of_record(self, record: logging.LogRecord) -> str:
        """A line of a library."""
        level = record.levelname.lower()
        try:
            event: EventDict = {"event": record.getMessage()}
        except Exception as error:  # noqa: BLE001 - its arguments may be anything
            return self._spoilt(error, at_s=record.created, name=record.name)
        if record.exc_info:
            event["exc_info"] = record.exc_info
        return self.line(event, at_s=record.created, level=level, name=record.name)

    def dropped(self, count: int) -> str:
        """The line that tells of lines that were never written."""
        event = {"event": "log lines dropped, the reader stalled", "count": count}
        return self.line(event, at_s=time.time(), level="warning", name=__name__)

    def line(self, event: EventDict, *, at_s: float, level: str, name: str) -> str:
        """The event described, redacted and rendered."""
        try:
            event = {**structlog.contextvars.get_contextvars(), **event}
            told: Any = self._exceptions(None, level, event)
            return self._rendered(redact_fields(told), at_s=at_s, level=level, name=name)
        except Exception as error:  # noqa: BLE001 - any object's __str__ may raise anything
            return self._spoilt(error, at_s=at_s, name=name)

    def _rendered(self, event: Mapping[str, Any], *, at_s: float, level: str, name: str) -> str:
        """The core fields first, whatever else has their names."""
        moment = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
        core = {
            "timestamp": moment.removesuffix("+00:00") + "Z",
            "level": level,
            "logger": name,
            "event": event.get("event", ""),
        }
        return self._render({**core, **event, **core})

    def _spoilt(self, error: Exception, *, at_s: float, name: str) -> str:
        event = {"event": "log line could not be made", "source": name, "error": type(error).__name__}
        return self._rendered(event, at_s=at_s, level="warning", name=__name__)


class _Voice:
    """What our loggers speak through: the lines are made already, and go to the output."""

    def __init__(self, *, name: str, output: LogOutput) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = output.put


class _Handler(logging.Handler):
    """The one handler of the root logger: what libraries say goes the way of our own lines."""

    def __init__(self, *, lines: _Lines, output: LogOutput) -> None:
        super().__init__()
        self._lines = lines
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.put(self._lines.of_record(record))


def configure(
    *,
    format: Literal["auto", "json", "text"],  # noqa: A002 - the setting's own name
    level: str,
    stream: TextIO,
    journald: bool,
) -> LogOutput:
    """Send structlog and stdlib logging through the pipeline to `stream`; the caller closes what it returns.

    `auto` is text on a terminal, JSON otherwise. `journald` puts `<3>`-like priorities in front (when JOURNAL_STREAM
    is set). Called again, it replaces what it set up before.
    """
    terminal = stream.isatty()
    text = format == "text" or (format == "auto" and terminal)
    number = logging.getLevelNamesMapping()[level.upper()]
    plain_dicts = ExceptionRenderer(
        ExceptionDictTransformer(show_locals=False, use_rich=False, max_frames=20)
    )
    lines = _Lines(
        exceptions=format_exc_info if text else plain_dicts,
        render=_Renderer(text=text, colour=terminal, journald=journald),
    )
    output = LogOutput(stream=stream, event=lines.dropped)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    root.addHandler(_Handler(lines=lines, output=output))
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[lines.of_ours],
        logger_factory=lambda name="": _Voice(name=name, output=output),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    return output
