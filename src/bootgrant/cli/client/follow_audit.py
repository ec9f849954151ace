"""`bootgrant audit --follow`: print records as they are written, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from bootgrant.approval.audit import ChainedEvent, exported, read_record
from bootgrant.cli.client.asking import Query, ask_api, is_elsewhere
from bootgrant.cli.client.watch import AWAY
from bootgrant.cli.output import Refused, fail, printable
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.grants import StoreUnavailable

T = TypeVar("T")

_EVERY: Final = 1.0
"""Seconds between two questions."""
_LIMIT: Final = 500
_WIDTHS: Final = (8, 19, 16, 16, 16, 15)
"""Of the columns before the machine; a longer text moves the others."""


class Source(Protocol):
    """Where records come from. Both methods raise Refused."""

    def end(self) -> int:
        """Return the number of the newest record."""

    def newer(self, after: int) -> tuple[Sequence[ChainedEvent], int]:
        """Return matching records with higher numbers, and the number to continue after."""


def follow(
    args: argparse.Namespace, which: AuditFilter, query: Query, row: Callable[[ChainedEvent], Sequence[str]]
) -> int:
    """Print records until Ctrl-C. Raises Refused if the server refuses, or does not answer the first time."""
    show = _as_json if args.json else lambda record: _as_line(row(record))
    if is_elsewhere(args):
        return print_new(_There(args, query), args.after, show)
    with asyncio.Runner() as runner, closing(_Here(args, which, runner)) as source:
        return print_new(source, args.after, show)


def print_new(source: Source, after: int | None, show: Callable[[ChainedEvent], str]) -> int:
    """Print what comes after a record, or after the newest one, and in the end where to continue."""
    last = source.end() if after is None else after
    records, through = source.newer(last)
    is_away = False
    try:
        while True:
            for record in records:
                print(show(record), flush=True)
                last = record.seq
            is_at_end, last = through == last and not records, through
            if is_at_end:
                time.sleep(_EVERY)
            try:
                records, through = source.newer(last)
                is_away = False
            except Refused as refused:
                if refused.error not in AWAY:
                    raise
                if not is_away:
                    fail(f"{printable(str(refused))}; waiting", "audit")
                is_away, records = True, []
    finally:
        print(f"continue with: bootgrant audit --follow --after {last}", file=sys.stderr)


@dataclass(slots=True)
class _There:
    """The audit of a server on the network, by its API."""

    args: argparse.Namespace
    query: Query

    def end(self) -> int:
        return int(ask_api(self.args, "GET", "audit/head")["seq"])

    def newer(self, after: int) -> tuple[Sequence[ChainedEvent], int]:
        query = [*self.query, ("after", str(after)), ("limit", str(_LIMIT))]
        answer = ask_api(self.args, "GET", "audit", query=query)
        return [_received(event) for event in answer["events"]], int(answer["next"])


def _received(event: dict[str, object]) -> ChainedEvent:
    """Return a record of the API with the digest that it has there: what a role must not see may be left out of it."""
    record = read_record(json.dumps({key: event[key] for key in event if key != "hash"}))
    return ChainedEvent(record.seq, record.event, record.line, str(event["hash"]))


class _Here:
    """The database of this site, which is opened again after it was away."""

    def __init__(self, args: argparse.Namespace, which: AuditFilter, runner: asyncio.Runner) -> None:
        self._args = args
        self._which = which
        self._runner = runner
        self._opened = AsyncExitStack()
        self._audit: AuditLog | None = None

    def end(self) -> int:
        async def number(audit: AuditLog) -> int:
            return (await audit.head()).seq

        return self._runner.run(self._ask(number))

    def newer(self, after: int) -> tuple[Sequence[ChainedEvent], int]:
        from bootgrant.workflows.record.audit import newer_records

        return self._runner.run(self._ask(lambda audit: newer_records(audit, self._which, after, _LIMIT)))

    def close(self) -> None:
        self._runner.run(self._opened.aclose())

    async def _ask(self, question: Callable[[AuditLog], Awaitable[T]]) -> T:
        from bootgrant.service.parts.database import open_audit
        from bootgrant.service.settings.site import SettingsError, load_site

        try:
            if self._audit is None:
                site = load_site(self._args.config, os.environ)
                self._audit = await self._opened.enter_async_context(open_audit(site))
            return await question(self._audit)
        except SettingsError as error:
            raise Refused("no_database", str(error)) from error
        except StoreUnavailable as error:
            self._audit = None
            await self._opened.aclose()
            raise Refused("store_unavailable", str(error)) from error


def _as_json(record: ChainedEvent) -> str:
    return exported(record.line, record.digest)


def _as_line(cells: Sequence[str]) -> str:
    widths = (*_WIDTHS, *(0 for _ in cells[len(_WIDTHS) :]))
    texts = (printable(cell) for cell in cells)
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()
