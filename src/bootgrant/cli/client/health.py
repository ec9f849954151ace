"""Check that the server of a site works: the health check of a container, which needs no other program.

It asks the server over the admin socket what `GET /healthz` answers, or `GET /readyz` with --ready, and waits 4 s.
The exit status is 0 if that is 200. Only `bootgrant status` reports a broken entry or a provider that does not answer.
"""

from __future__ import annotations

import argparse
from typing import Final

from bootgrant.cli.arguments import add_config_argument, add_json_argument
from bootgrant.cli.client.asking import answer_here
from bootgrant.cli.output import Refused, printable, reporting, show

_LIMIT: Final = 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--ready", action="store_true", help="check whether machines can be sent to the server")
    add_json_argument(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    status, body = answer_here(args.config, "GET", "/readyz" if args.ready else "/healthz", limit=_LIMIT)
    answer = printable(body.decode("utf-8", "replace").strip())
    if status != 200:
        raise Refused("not_ready" if args.ready else "not_ok", answer or f"the server answered {status}")
    return show({"answer": answer}, answer, as_json=args.json)
