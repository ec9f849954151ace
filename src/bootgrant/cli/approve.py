"""Let a machine in, by the code on its screen. The exit status is 0 only when the approval took effect."""

from __future__ import annotations

import argparse

from bootgrant.cli.admin_socket import add_socket_arguments, decide


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help="as the machine shows it; case and dashes do not matter")
    add_socket_arguments(parser)


def run(args: argparse.Namespace) -> int:
    return decide(args, "approve", "approved")
