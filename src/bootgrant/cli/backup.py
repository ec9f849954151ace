"""The commands that back up a site and restore it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.client.asking import ask_here
from bootgrant.cli.output import Json, Refused, day, printable, show, site_reporting

if TYPE_CHECKING:
    from bootgrant.service.commands.archive import Manifest
    from bootgrant.service.commands.backup import Made

_SHOWN: Final = 50


def _reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    @wraps(run)
    def checked(args: argparse.Namespace) -> int:
        from bootgrant.service.commands.archive import BadArchive

        try:
            return run(args)
        except BadArchive as error:
            raise Refused("bad_backup", str(error)) from error

    return site_reporting(checked)


def _add_backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the backup; it appears when it is complete")
    parser.add_argument(
        "--recipient", action="append", default=[], metavar="KEY",
        help="encrypt it with age for this public key (age1…, or the line of an SSH key); may be repeated",
    )  # fmt: skip
    parser.add_argument("--machines", action="store_true", help="include the machines folder, if it is not in git")
    parser.add_argument("--replace", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--check", action="store_true", help="check FILE instead of writing it")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="--check: the private key of an encrypted backup")
    add_config_argument(parser)
    add_json_argument(parser)


@_reporting
def _backup(args: argparse.Namespace) -> int:
    """Back up a site into one file, while its server runs or not.

      bootgrant backup site.backup                        database, keys, and settings
      bootgrant backup site.backup --recipient age1…      the same, encrypted with age
      bootgrant backup --check site.backup                check a backup, without its site

    The file has mode 0600. It contains the database as of one moment, every file of the data folder, and the settings.
    For PostgreSQL it contains everything else, and the command prints how to dump the database.
    """
    from bootgrant.service.commands.backup import back_up, check_backup, dump_command

    if args.check:
        return _report(check_backup(args.file, args.identity), args, "is intact")
    if args.identity is not None:
        raise Refused("usage", "--identity is for --check: encrypt a backup with --recipient")
    made = back_up(
        args.config, args.file, args.recipient, machines=args.machines, replace=args.replace, environment=os.environ
    )
    command = ""
    if made.manifest.database == "postgresql":
        from bootgrant.service.settings.site import load_site

        command = dump_command(load_site(args.config, os.environ))
    return _report(made, args, "is written", command)


def _report(made: Made, args: argparse.Namespace, done: str, command: str = "") -> int:
    """Print what a backup holds. The exit status is 1 if the chain of its audit is broken."""
    manifest = made.manifest
    lines = [f"{args.file} {done}: {_contents(manifest)}{', encrypted' if made.encrypted else ''}"]
    if manifest.head.seq:
        lines += [f"its audit ends at this head; keep it somewhere else:\n  {manifest.head}"]
    if command:
        lines += ["the database is not in it; dump it at the same time:", f"  {command}"]
    if manifest.outside:
        lines += ["not in it, because the settings name files elsewhere:", *(f"  {path}" for path in manifest.outside)]
    if made.chain is not None:
        lines += [f"WARNING: the audit is broken at record {made.chain.seq}: {made.chain.problem}"]
    show(_answer(manifest, made) | {"file": str(args.file), "dump": command}, "\n".join(lines), as_json=args.json)
    return 1 if made.chain is not None else 0


def _contents(manifest: Manifest) -> str:
    size = sum(each.size for each in manifest.members.values())
    made = day(manifest.made_at)
    return (
        f"{len(manifest.members)} files, {size / 1e6:.1f} MB, of {made} UTC, by bootgrant {printable(manifest.version)}"
    )


def _answer(manifest: Manifest, made: Made) -> Json:
    return {
        "version": manifest.version,
        "made_at": manifest.made_at,
        "database": manifest.database,
        "head": str(manifest.head),
        "members": len(manifest.members),
        "outside": list(manifest.outside),
        "encrypted": made.encrypted,
        "broken_at": made.chain.seq if made.chain is not None else None,
    }


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a backup to restore into a stopped site")
    parser.add_argument("--identity", type=Path, metavar="FILE", help="the private key of an encrypted backup")
    parser.add_argument("--dry-run", action="store_true", help="check FILE, or list what is missing; change nothing")
    parser.add_argument(
        "--accept", action="store_true", help="accept the older database: the waiting server starts again"
    )
    parser.add_argument(
        "--head",
        metavar="NO:DIGEST",
        help="--accept: the head of the audit that you noted elsewhere, as proof of what is missing",
    )
    parser.add_argument(
        "--mark", action="store_true",
        help="say that the data of this stopped site is an older copy (a snapshot of the whole host, for example)",
    )  # fmt: skip
    add_config_argument(parser)
    add_json_argument(parser)


@_reporting
def _restore(args: argparse.Namespace) -> int:
    """Restore a backup into a stopped or an empty site, and accept a database that is older than its server knows.

      bootgrant restore site.backup        unpack, check, and move into place; what was there is kept aside
      bootgrant restore --accept           list what is missing, take away again what is known, and serve again
      bootgrant restore --mark             the whole host was set back, which nothing in it can notice

    Until the database is accepted, machines keep their codes and wait, nobody can sign in, and API tokens are void.
    Accepting it ends all sessions, API tokens, command-line logins and armed windows, and approvals that were not
    delivered.
    """
    chosen = [bool(args.file), args.accept, args.mark]
    if sum(chosen) != 1:
        raise Refused("incomplete", "name a FILE to restore, or --accept, or --mark: `bootgrant restore --help`")
    if args.head and not args.accept:
        raise Refused("usage", "--head is for --accept")
    if args.accept:
        return _accept(args)
    if args.mark:
        return _mark(args)
    if args.dry_run:
        from bootgrant.service.commands.backup import check_backup

        return _report(check_backup(args.file, args.identity), args, "can be restored")
    from bootgrant.service.commands.restore import restore

    done = restore(args.file, args.config, args.identity, os.environ)
    lines = [f"restored {_contents(done.manifest)} into {done.data}"]
    lines += [f"wrote {args.config}"] if done.wrote_settings else []
    lines += done.notes
    lines += (
        [f"what was there before is in {done.replaced}; remove it when you do not need it"] if done.replaced else []
    )
    if done.chain is not None:
        lines += [f"WARNING: the audit is broken at record {done.chain.seq}: {done.chain.problem}"]
    if done.manifest.outside:
        lines += ["not in the backup, put these back yourself:", *(f"  {path}" for path in done.manifest.outside)]
    lines += ["start the server; if it has seen more than this backup has, accept that: bootgrant restore --accept"]
    answer: Json = {"data": str(done.data), "replaced": str(done.replaced) if done.replaced else None}
    answer |= {"head": str(done.manifest.head), "broken_at": done.chain.seq if done.chain is not None else None}
    return show(answer, "\n".join(lines), as_json=args.json)


def _mark(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.restore import mark

    path = mark(args.config, os.environ)
    text = f"noted in {path}: the next server waits for `bootgrant restore --accept`"
    return show({"file": str(path)}, text, as_json=args.json)


def _accept(args: argparse.Namespace) -> int:
    try:
        if args.dry_run:
            query = [("head", args.head)] if args.head else []
            answer = ask_here(args.config, "GET", "restoration", query=query)
        else:
            answer = ask_here(args.config, "POST", "restoration", {"head": args.head or ""})
    except Refused as refused:
        if refused.error == "not_found":
            nothing = "this server's database is not older than what it has seen, so there is nothing to accept"
            raise Refused("nothing_to_accept", nothing) from refused
        raise
    lines = _missing(answer)
    if args.dry_run:
        lines += ["nothing was changed: without --dry-run, this database is accepted"]
    else:
        lines += ["accepted:", *(f"  {printable(line)}" for line in answer["done"])]
        lines += ["the server starts again. Operators sign in again; make new API tokens for programs"]
    return show(answer, "\n".join(lines), as_json=args.json)


def _missing(answer: Json) -> list[str]:
    """Say what is missing from the database."""
    has = f"this database ends at record {_number(answer['head'])}"
    if answer["noted"]:
        lines = [f"{has}; the head that you noted is record {_number(answer['noted'])}"]
    elif answer["marked"]:
        lines = [f"{has}; it is marked as an older copy (a restore without the server's own file, or --mark)"]
    else:
        lines = [f"{has}; its server has seen record {_number(answer['seen'])}"]
    missing = answer["missing"]
    lines += [f"missing records: {'not known' if missing is None else missing}"]
    taken: Sequence[Any] = answer["taken"]
    if taken:
        lines += ["among them, rights that were taken away or changed:"]
        lines += [f"  {_when(each['at'])}  {printable(str(each['what']))}" for each in taken[-_SHOWN:]]
        lines += [f"  … and {len(taken) - _SHOWN} before these (--json has all)"] if len(taken) > _SHOWN else []
    return lines


def _number(head: str) -> str:
    return head.partition(":")[0]


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


COMMANDS: Final = {"backup": (_add_backup, _backup), "restore": (_add_restore, _restore)}
