"""Asking about people: the running server, or the database itself while none runs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bootgrant.cli.admin_socket import Json, Refused, printable, read_answer, report, user_header
from bootgrant.cli.remote import ask_api


def ask_people(
    args: argparse.Namespace, method: str, path: str, members: Mapping[str, Any] | None = None
) -> Json | Refused:
    """The answer to a request about operators or tokens below ``/api/v1/``, or why there is none."""
    if args.server is not None and members and "password" in members:
        told = "a password is chosen on the server itself; from elsewhere one is made up and shown once"
        return Refused("usage", told)
    answer = ask_api(args, method, path, members)
    if isinstance(answer, Refused) and answer.error == "not_running":
        return _ask_database(args.config, method, path, members)
    return answer


def show(answer: Json | Refused, text: str, *, as_json: bool) -> int:
    """Print ``text``, or the answer as JSON, or why there is none; the exit status."""
    if isinstance(answer, Refused):
        return report(answer, as_json=as_json)
    print(json.dumps(answer) if as_json else text)
    return 0


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Lines with aligned columns under a head."""
    lines = [head, *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def day(at: float | None, never: str = "never") -> str:
    """``2026-11-24 20:14``, in UTC."""
    return never if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def add_rights_arguments(parser: argparse.ArgumentParser, default_role: str | None) -> None:
    """``--role`` (without ``default_role`` it must be given) and ``--label``."""
    parser.add_argument(
        "--role",
        choices=("viewer", "approver", "admin"),
        default=default_role,
        required=default_role is None,
        help="what they may do: look; decide as well; everything" + (" (default: %(default)s)" if default_role else ""),
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only machines with this label, such as site=fra; several: --label site=fra --label site=ams",
    )


def _ask_database(config: Path, method: str, path: str, members: Mapping[str, Any] | None) -> Json | Refused:
    from bootgrant.ports.grants import StoreUnavailable
    from bootgrant.service.parts.accounts import ask_database
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        site = load_site(config, os.environ)
        answer = asyncio.run(ask_database(site, method, f"/api/v1/{path}", members, user_header()))
    except (SettingsError, StoreUnavailable) as error:
        return Refused("no_database", str(error))
    return read_answer(answer.status_code, answer.content)
