"""The log of the server on standard error: lines for people, or JSON for a log collector.

A line about an HTTP request of a person or a program has the id that is also in its answer (``X-Request-Id``). A line
about a machine has the id of its request.

An event is one line. Names, headers and errors from outside are in it, so every invisible character is escaped.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from traceback import TracebackException
from typing import Final

from bootgrant.asgi.observing import current_request_id
from bootgrant.service.supervisor.lines import escaped

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_IDS: Final = ("request_id", "grant_id")
_QUIET: Final = {
    "uvicorn": logging.WARNING,
    "httpx2": logging.WARNING,
    # The pool warns at each attempt to reach a lost database; the store logs once that it is lost.
    "psycopg.pool": logging.ERROR,
}


class LogFormat(Enum):
    """``log.format``."""

    TEXT = "text"
    JSON = "json"


def start_log(log_format: LogFormat) -> QueueListener:
    """Start to log on standard error, and return the listener, whose ``stop`` writes the remaining lines.

    A separate thread writes, so that a slow disk or a stopped terminal does not delay machines.
    """
    # No line shows these values, and there can be many lines a second.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines() if log_format is LogFormat.TEXT else JsonLines())
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(_QueueHandler(lines))
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    listener = QueueListener(lines, handler)
    listener.start()
    return listener


class _QueueHandler(QueueHandler):
    """Adds the id of the request and the formatted message, which only this thread knows."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.request_id = current_request_id()
        record.msg, record.args = escaped(record.getMessage()), None
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = "\n".join(_traceback(TracebackException.from_exception(record.exc_info[1])))
        record.exc_info = record.stack_info = None
        return record


def _traceback(error: TracebackException) -> Iterator[str]:
    """Yield the lines of a traceback. Only these lines of an event are not its first, and all of them are indented."""
    if error.__cause__ is not None:
        yield from _traceback(error.__cause__)
        yield "  which directly caused:"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _traceback(error.__context__)
        yield "  while that was handled:"
    for frame in error.stack.format():
        yield from (f"  {escaped(line)}" for line in frame.splitlines())
    yield f"  {escaped(''.join(error.format_exception_only()).rstrip())}"
    for inner in error.exceptions or ():
        yield "  which contains:"
        yield from _traceback(inner)


class TextLines(logging.Formatter):
    """``2026-11-24 02:40:11,123 INFO bootgrant.operators: … [7f3a…]``, with the id of the request in brackets.

    The time is formatted once a second.
    """

    _second = 0
    _shown = ""

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._shown},{int(record.msecs):03}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        request = getattr(record, "request_id", "") or getattr(record, "grant_id", "")
        line = super().formatMessage(record)
        return f"{line} [{request}]" if request else line


class JsonLines(logging.Formatter):
    """An object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, and if known ``request_id``,
    ``grant_id`` and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        members: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        members |= {name: value for name in _IDS if (value := getattr(record, name, ""))}
        if record.exc_text:
            members["error"] = record.exc_text
        return json.dumps(members)
