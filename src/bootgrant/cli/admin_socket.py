"""Asking the running server over ``data/admin.sock``: no password, its file mode says who may."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootgrant.cli.config_argument import add_config_argument
from bootgrant.wire.admin_socket import USER_HEADER

Json = dict[str, Any]

_TIME_LIMIT = 15.0


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing happened. ``message`` is one line for a person; ``error`` is a stable name."""

    error: str
    message: str


def add_socket_arguments(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--json``."""
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")


def ask(
    config: Path,
    method: str,
    path: str,
    members: Mapping[str, Any] | None = None,
    query: Sequence[tuple[str, str]] = (),
) -> Json | Refused:
    """The answer on the server's admin socket to a request below ``/api/v1/``, or why there is none."""
    import httpx2

    from bootgrant.service.data_folder import admin_socket, socket_address
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        place = admin_socket(load_site(config, os.environ).data)
    except SettingsError as error:
        return Refused("no_site", str(error))
    body = None if members is None else dict(members)
    try:
        with (
            socket_address(place) as address,
            httpx2.Client(
                transport=httpx2.HTTPTransport(uds=address),
                base_url="http://admin",
                timeout=_TIME_LIMIT,
                headers=user_header(),
            ) as client,
        ):
            answer = client.request(method, f"/api/v1/{path}", json=body, params=list(query))
    except (httpx2.ConnectError, OSError):
        return _no_connection(place, config)
    except httpx2.TransportError as error:
        unknown = "; whether it took effect, `bootgrant pending` shows" if method == "POST" else ""
        return Refused("no_answer", f"the server did not answer on {place} ({type(error).__name__}){unknown}")
    return read_answer(answer.status_code, answer.content)


def report(refused: Refused, *, as_json: bool) -> int:
    """Say why nothing happened: on standard error, or as JSON on standard output. The exit status is 1."""
    if as_json:
        print(json.dumps({"error": refused.error, "message": refused.message}))
    else:
        print(f"bootgrant: {printable(refused.message)}", file=sys.stderr)
    return 1


def identity(grant: Json) -> str:
    """Who the machine says it is, safe for a terminal."""
    return " ".join(f"{name}={printable(value)}" for name, value in grant["identity"].items())


def printable(text: str) -> str:
    """A stranger's text in plain ASCII: whatever else is in it is escaped, and no terminal obeys it."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def read_answer(status: int, body: bytes, place: str = "admin.sock") -> Json | Refused:
    """An answer of the server at ``place`` as what it says."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return Refused("no_answer", f"what answers on {place} is no bootgrant (status {status})")
    if 200 <= status < 300:
        return answer
    return Refused(str(answer.get("error", "refused")), str(answer.get("message", f"refused with status {status}")))


def _no_connection(place: Path, config: Path) -> Refused:
    if _is_forbidden(place.parent, os.X_OK) or _is_forbidden(place, os.W_OK):
        return Refused("not_allowed", f"{place} is for the server's user alone: run this as that user, or as root")
    start = f"start it with `bootgrant serve --config {config}`"
    return Refused("not_running", f"the server does not run (nobody answers on {place}): {start}")


def _is_forbidden(path: Path, right: int) -> bool:
    return os.access(path, os.F_OK) and not os.access(path, right)


def user_header(doing: str = "") -> dict[str, str]:
    """Who runs this command, as the admin socket is told."""
    return {USER_HEADER: printable(user_here() + doing)}


def user_here() -> str:
    """Who runs this command."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
