"""Show, export, and verify the audit of this site: what happened, who did it, and on which evidence.

  bootgrant audit                                 the newest events
  bootgrant audit --kind approved --since 7d      filtered; --json for programs, one event a line
  bootgrant audit --follow --after 1200           records as they are written, from number 1201 on, until Ctrl-C
  bootgrant audit export --out audit.jsonl        everything, oldest first, each line with its digest
  bootgrant audit head                            the end of the chain, to keep somewhere else
  bootgrant audit verify                          check the chain; with --head and an earlier head, detect truncation
  bootgrant audit verify old.jsonl audit.jsonl    the same for files of an export or a sink, in order
  bootgrant audit seal --before 2026-01-01 --out 2025.jsonl   move the oldest events to a file, and keep a seal of them

The command reads the database itself, so it works whether or not the server runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootgrant.approval.audit import (
    AuditEvent,
    AuditKind,
    Broken,
    ChainCheck,
    ChainedEvent,
    Head,
    exported,
    read_record,
)
from bootgrant.approval.changed_rights import RIGHTS, has_rights, rights_in
from bootgrant.approval.claim_reasons import explained_details
from bootgrant.approval.operators import socket_actor
from bootgrant.cli.arguments import seconds_in
from bootgrant.cli.client.asking import Query, add_server_arguments, ask_api, is_elsewhere, user_here
from bootgrant.cli.output import Refused, printable, reporting, show, table
from bootgrant.cli.parsing import did_you_mean
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.audit_sinks import SinkStore
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.record.audit import export, seal, verify

if TYPE_CHECKING:
    from bootgrant.service.settings.site import Site

_HEAD: Final = ("NO.", "WHEN (UTC)", "WHAT", "WHO", "ENTRY", "WHERE", "MACHINE", "MORE")
_AGO: Final = re.compile(r"\d{1,5}[mhd]")
_NOTED: Final = re.compile(r"(\d+):([0-9a-f]{64})")
_MORE_LENGTH: Final = 80
_UNSHOWN: Final = frozenset({"asked", "client", "size", "delivery"})
_CHANGE: Final = frozenset({"operator", "token", "done", *RIGHTS})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "verb", nargs="?", choices=("list", "export", "head", "verify", "seal"), default="list", metavar="VERB",
        help="list (the default), export, head, verify, or seal",
    )  # fmt: skip
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="verify: exported files, in order")
    parser.add_argument("--kind", action="append", default=[], metavar="KIND", help="approved, denied, delivered, …")
    parser.add_argument("--actor", default="", metavar="NAME", help="who did it, as the list shows them")
    parser.add_argument("--grant", default="", metavar="ID", help="one request")
    parser.add_argument("--entry", default="", metavar="NAME", help="one entry")
    for name in ("uuid", "serial", "mac"):
        parser.add_argument(f"--{name}", default="", metavar=name.upper(), help=f"machines that claimed this {name}")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="2h, 7d, 2026-11-24 or 2026-11-24T03:00 (UTC)")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="the same")
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="the maximum number, newest first (default: 50)"
    )
    parser.add_argument("--follow", action="store_true", help="list: print new records as they come, until Ctrl-C")
    parser.add_argument(
        "--after", type=_number, metavar="NO", help="--follow: begin after this record; 0 is the beginning"
    )
    parser.add_argument(
        "--head", type=_noted, metavar="NO:DIGEST", help="verify: the head that an earlier `verify` printed"
    )
    parser.add_argument(
        "--from", type=_noted, dest="start", metavar="NO:DIGEST", help="verify: the head that the first file follows"
    )
    parser.add_argument("--before", type=_moment, metavar="TIME", help="seal: move older records to the file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="export, seal: the file to write; it must not exist")
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    if args.verb == "verify" and args.files:
        return _verify_files(args)
    if args.files or args.start:
        raise Refused("usage", "only `bootgrant audit verify` with files accepts files and --from")
    if args.follow:
        return _follow(args)
    if args.after is not None:
        raise Refused("usage", "--after is for --follow; `bootgrant audit` without it lists the newest records")
    if is_elsewhere(args):
        return _ask_there(args)
    from bootgrant.service.settings.site import SettingsError

    try:
        return asyncio.run(_with_audit(args))
    except (SettingsError, StoreUnavailable) as error:
        raise Refused("no_database", str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused("no_file", f"{error.filename}: {error.strerror}") from error


async def _with_audit(args: argparse.Namespace) -> int:
    from bootgrant.service.parts.database import open_audit_and_sinks
    from bootgrant.service.settings.site import load_site

    site = load_site(args.config, os.environ)
    async with open_audit_and_sinks(site) as (audit, sinks):
        if args.verb == "seal":
            return await _seal(args, audit, await _sent_to_all(site, sinks))
        verbs = {"list": _list, "export": _export, "head": _head, "verify": _verify}
        return await verbs[args.verb](args, audit)


async def _list(args: argparse.Namespace, audit: AuditLog) -> int:
    records = await audit.newest(_filter(args), args.limit)
    if args.json:
        for record in reversed(records):
            print(exported(record.line, record.digest))
    else:
        print(table(_HEAD, [_row(record) for record in records]) if records else "no matching records")
    return 0


def _follow(args: argparse.Namespace) -> int:
    from bootgrant.cli.client.follow_audit import follow

    if args.verb != "list":
        raise Refused("usage", f"--follow prints new records: leave out {args.verb!r}")
    return follow(args, _filter(args), _query(args), _row)


async def _head(args: argparse.Namespace, audit: AuditLog) -> int:
    head = await audit.head()
    return show({"seq": head.seq, "hash": head.digest, "head": str(head)}, str(head), as_json=args.json)


def _ask_there(args: argparse.Namespace) -> int:
    """Ask another server. The other verbs need the whole audit, so they only run on the server."""
    if args.verb == "head":
        answer = ask_api(args, "GET", "audit/head")
        return show(answer, printable(answer["head"]), as_json=args.json)
    if args.verb != "list":
        raise Refused(
            "usage", f"`bootgrant audit {args.verb}` only works on the server itself: --server is for the list"
        )
    events = ask_api(args, "GET", "audit", query=[*_query(args), ("limit", str(args.limit))])["events"]
    if args.json:
        for event in reversed(events):
            print(json.dumps(event, sort_keys=True, separators=(",", ":")))
        return 0
    rows = [_row(read_record(json.dumps({key: event[key] for key in event if key != "hash"}))) for event in events]
    print(table(_HEAD, rows) if rows else "no matching records")
    return 0


def _query(args: argparse.Namespace) -> Query:
    """The filter as the API takes it."""
    named = {"actor": args.actor, "request": args.grant, "entry": args.entry, "since": args.since, "until": args.until}
    named |= {"uuid": args.uuid, "serial": args.serial, "mac": args.mac}
    query = [("kind", kind) for kind in args.kind]
    return query + [(name, str(value)) for name, value in named.items() if value not in ("", None)]


async def _export(args: argparse.Namespace, audit: AuditLog) -> int:
    count = 0
    out = sys.stdout if args.out is None else args.out.open("x", encoding="ascii")
    try:
        async for line in export(audit):
            out.write(line + "\n")
            count += 1
    finally:
        if out is not sys.stdout:
            out.close()
    if args.out is not None:
        text = f"wrote {count} records to {args.out}; check them with: bootgrant audit verify {args.out}"
        show({"records": count, "file": str(args.out)}, text, as_json=args.json)
    return 0


async def _verify(args: argparse.Namespace, audit: AuditLog) -> int:
    return _report_check(await verify(audit, args.head), as_json=args.json)


def _verify_files(args: argparse.Namespace) -> int:
    check = ChainCheck(args.head, args.start)
    try:
        for file in args.files:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    check.take_exported(line)
    except OSError as error:
        raise Refused("no_file", f"{error.filename}: {error.strerror}") from error
    check.finish()
    return _report_check(check, as_json=args.json)


async def _sent_to_all(site: Site, sinks: SinkStore) -> int | None:
    """Return up to which record every sink of the settings has the audit; None if there is no sink."""
    if not site.audit.sinks:
        return None
    sent = {state.name: state.sent.seq for state in await sinks.sinks()}
    return min(sent.get(target.name, 0) for target in site.audit.sinks)


async def _seal(args: argparse.Namespace, audit: AuditLog, through: int | None) -> int:
    if args.before is None or args.out is None:
        raise Refused("incomplete", "name a time and a file: bootgrant audit seal --before 2026-01-01 --out 2025.jsonl")
    with args.out.open("x", encoding="ascii") as file:

        def keep() -> str:
            file.flush()
            os.fsync(file.fileno())
            return str(args.out.name)

        actor = socket_actor(user_here())
        outcome = await seal(audit, args.before, actor, time.time(), file.write, keep, through)
    if outcome is None:
        args.out.unlink()
        sent = (
            "" if through is None else f"; every audit sink has the records up to {through}, and only these are sealed"
        )
        raise Refused("nothing", f"no audit record is that old{sent}")
    if isinstance(outcome, Broken):
        args.out.unlink()
        raise Refused("broken", f"the audit is broken at record {outcome.seq}: {outcome.problem}. Nothing was sealed")
    through, digest = outcome.through.seq, outcome.file_sha256
    answer = {"records": outcome.records, "through": through, "file": str(args.out), "sha256": digest}
    text = f"moved {outcome.records} records, up to {through}, to {args.out} (SHA-256 {digest})"
    return show(answer, text, as_json=args.json)


def _report_check(check: ChainCheck, *, as_json: bool) -> int:
    if check.broken is not None:
        raise Refused("broken", f"the audit is broken at record {check.broken.seq}: {check.broken.problem}")
    first = check.head.seq - check.records + 1
    if as_json:
        repeats = f', "repeats": {check.repeats}' if check.repeats else ""
        print(f'{{"records": {check.records}, "first": {first}, "head": "{check.head}"{repeats}}}')
    elif not check.records:
        print("the audit is empty")
    else:
        repeats = f" ({check.repeats} of them were there again)" if check.repeats else ""
        kept = "Keep this head somewhere else:"
        print(f"{check.records} records are intact, {first} to {check.head.seq}{repeats}. {kept}")
        print(f"  {check.head}")
        print("`bootgrant audit verify --head …` with it reveals later whether the audit was truncated or rebuilt.")
    return 0


def _filter(args: argparse.Namespace) -> AuditFilter:
    known = [kind.value for kind in AuditKind]
    if unknown := [kind for kind in args.kind if kind not in known]:
        hint = did_you_mean(unknown[0], known)
        raise Refused("usage", f"there is no kind {unknown[0]!r}: choose from {', '.join(known)}{hint}")
    machine = MachineIdentity.from_claim({"uuid": args.uuid, "serial": args.serial, "mac": args.mac})
    if (args.uuid or args.serial or args.mac) and not machine.identifies():
        raise Refused("usage", "that uuid, serial, or mac does not identify a machine")
    kinds, searched = tuple(map(AuditKind, args.kind)), machine if machine.identifies() else None
    return AuditFilter(kinds, args.actor, args.grant, args.entry, searched, args.since, args.until)


def _row(record: ChainedEvent) -> tuple[str, ...]:
    event = record.event
    when = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    identity = MachineIdentity.shown(event.identity.given())
    actor = event.actor or "-"
    return (str(record.seq), when, event.kind.value, actor, event.entry, event.address, identity, _more(record))


def _more(record: ChainedEvent) -> str:
    event = record.event
    worst: Iterable[str] = (f"{check.name}: {check.detail}" for check in event.evidence if check.verdict == "mismatch")
    change = _change(event)
    hidden = _CHANGE if change else _UNSHOWN | explained_details(event.details)
    parts = [
        f"revision {event.revision}" if event.kind in ("config-snapshot", "config-accepted") else "",
        change,
        event.reason,
        *worst,
        *(f"{name}={value}" for name, value in event.details.items() if name not in hidden),
    ]
    text = printable("; ".join(part for part in parts if part))
    # Rights are never cut off.
    most = max(_MORE_LENGTH, len(printable(change)))
    return text if len(text) <= most else text[: most - 3] + "..."


def _change(event: AuditEvent) -> str:
    """The change of an operator or a token, with the rights before and after it; empty for any other event."""
    name = event.details.get("operator") or event.details.get("token")
    if not name:
        return ""
    rights = " -> ".join(text or "no rights" for text in rights_in(event.details)) if has_rights(event.details) else ""
    return f"{name} {event.details.get('done', '')}{f': {rights}' if rights else ''}"


def _moment(text: str) -> float:
    if _AGO.fullmatch(text):
        return time.time() - seconds_in("mhd", "2h or 7d")(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 2h, 7d, 2026-11-24, or 2026-11-24T03:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a record")
    return int(text)


def _noted(text: str) -> Head:
    found = _NOTED.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(
            "write it as `bootgrant audit verify` printed it: a number, a colon, 64 digits"
        )
    return Head(int(found.group(1)), found.group(2))
