"""List the entries, explain which entry a machine gets, or accept a commit that the server refuses as a rollback."""

from __future__ import annotations

import argparse

from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.machines import entries
from bootgrant.cli.output import printable, reporting, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = entries.add_commands(parser)
    accepting = commands.add_parser(
        "accept", help="serve a commit that does not follow the one that is served; audited", allow_abbrev=False
    )
    accepting.add_argument("commit", metavar="COMMIT", help="the id of the newest commit of the branch, or its start")
    add_server_arguments(accepting)


def run(args: argparse.Namespace) -> int:
    status: int = _accept(args) if args.what == "accept" else entries.run(args)
    return status


@reporting
def _accept(args: argparse.Namespace) -> int:
    answer = ask_api(args, "POST", "configurations/accept", {"commit": args.commit.lower()})
    instead = f", instead of {printable(answer['instead_of'])}" if answer["instead_of"] else ""
    text = f"accepted {printable(answer['commit'])}{instead}: the server takes it when it looks for changes next"
    return show(answer, text, as_json=args.json)
