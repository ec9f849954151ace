"""List the machines and what was delivered to them, show one, explain which entry a machine gets, or accept a commit.

`list` reads the files when no server is running, and with --files or --machines.
"""

from __future__ import annotations

import argparse

from bootgrant.cli.client import entries as served
from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.machines import add_folder_arguments, entries
from bootgrant.cli.output import Refused, fail, printable, reporting, show

_WITHOUT_SERVER = frozenset({"not_running", "not_allowed", "no_site"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", metavar="list | show | explain | accept", required=True)
    listing = commands.add_parser(
        "list", help="list all entries with their state and last delivery", allow_abbrev=False
    )
    add_server_arguments(listing)
    listing.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only entries with this label"
    )
    listing.add_argument("--files", action="store_true", help="read the files of the site, and do not ask its server")
    add_folder_arguments(listing)
    showing = commands.add_parser(
        "show", help="show one entry: its history, and what has changed since the last delivery", allow_abbrev=False
    )
    showing.add_argument("name", metavar="NAME", help="the name of the entry")
    add_server_arguments(showing)
    explaining = commands.add_parser(
        "explain", help="say which entry a machine gets, and why not the others", allow_abbrev=False
    )
    entries.add_explain_arguments(explaining)
    accepting = commands.add_parser(
        "accept", help="serve a commit that does not follow the one that is served; audited", allow_abbrev=False
    )
    accepting.add_argument("commit", metavar="COMMIT", help="the id of the newest commit of the branch, or its start")
    add_server_arguments(accepting)


def run(args: argparse.Namespace) -> int:
    commands = {"list": _list, "show": served.show_entry, "explain": entries.explain_files, "accept": _accept}
    return commands[args.what](args)


@reporting
def _list(args: argparse.Namespace) -> int:
    if args.files or args.machines is not None:
        return entries.list_files(args)
    try:
        answer = served.ask_entries(args)
    except Refused as refused:
        if args.server is not None or refused.error not in _WITHOUT_SERVER:
            raise
        if not args.json and refused.error != "no_site":
            fail(f"no states and deliveries: {printable(str(refused))}")
        return entries.list_files(args)
    return show(answer, served.entries_text(answer) or entries.NO_ENTRIES, as_json=args.json)


@reporting
def _accept(args: argparse.Namespace) -> int:
    answer = ask_api(args, "POST", "configurations/accept", {"commit": args.commit.lower()})
    instead = f", instead of {printable(answer['instead_of'])}" if answer["instead_of"] else ""
    text = f"accepted {printable(answer['commit'])}{instead}: the server takes it when it looks for changes next"
    return show(answer, text, as_json=args.json)
