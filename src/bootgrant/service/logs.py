"""The log of the server on standard error: lines for people, or JSON for a collector.

A request of a person or a program has an id, which its answer names too (``X-Request-Id``); a machine's line has the id
of its grant where there is one.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from enum import Enum
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Final

from bootgrant.asgi.observing import current_request_id

_FORM: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_MORE: Final = ("request_id", "grant_id")
_QUIET: Final = {
    "uvicorn": logging.WARNING,
    "httpx2": logging.WARNING,
    # Every attempt of the pool to reach a lost database is a warning; the store says once that it is lost.
    "psycopg.pool": logging.ERROR,
    "yoyo": logging.WARNING,
}


class LogFormat(Enum):
    """``log.format``."""

    TEXT = "text"
    JSON = "json"


def start_log(form: LogFormat) -> QueueListener:
    """Lines on standard error, written by a thread of their own: a slow disk or a stopped terminal holds up no machine.

    What no line shows is not looked up: many machines are logged in a second. ``stop`` writes what is left.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines() if form is LogFormat.TEXT else JsonLines())
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(_Handing(lines))
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    listener = QueueListener(lines, handler)
    listener.start()
    return listener


class _Handing(QueueHandler):
    """Hands a line to the writing thread with what only this one knows: the request, and the words of the message."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.request_id = current_request_id()
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        return record


class TextLines(logging.Formatter):
    """``2026-11-24 02:40:11,123 INFO bootgrant.operators: … [7f3a…]``: in brackets the request of a person, or for a
    machine its grant. The time is written out once a second."""

    _second = 0
    _shown = ""

    def __init__(self) -> None:
        super().__init__(_FORM)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._shown},{int(record.msecs):03}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        named = getattr(record, "request_id", "") or getattr(record, "grant_id", "")
        line = super().formatMessage(record)
        return f"{line} [{named}]" if named else line


class JsonLines(logging.Formatter):
    """One object a line: ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, and ``request_id``, ``grant_id``
    and ``error`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        members: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        members |= {name: value for name in _MORE if (value := getattr(record, name, ""))}
        if record.exc_text:
            members["error"] = record.exc_text
        return json.dumps(members)
