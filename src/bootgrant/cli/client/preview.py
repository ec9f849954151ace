"""Print the configuration that a waiting machine would get, by the code on its screen. Secrets are redacted.

With --reveal, print it with its secrets. This is for admins only, and the audit records it.
"""

from __future__ import annotations

import argparse
from urllib.parse import quote

from bootgrant.cli.arguments import CODE_HELP, code_in
from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.output import printable, reporting, show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help=CODE_HELP)
    parser.add_argument("--reveal", action="store_true", help="show the secrets; only for admins, and audited")
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    request = ask_api(args, "GET", f"grants/{quote(code_in(args.code), safe='')}")
    path = f"requests/{request['id']}/configuration"
    answer = ask_api(args, "POST", f"{path}/reveal") if args.reveal else ask_api(args, "GET", path)
    return show(answer, "\n".join(map(printable, answer["text"].splitlines())), as_json=args.json)
