"""Requests to a server's API: over ``data/admin.sock`` here, or over the network with an API token.

On the socket there is no password: its file mode decides who may use it. ``--server`` and ``--token-file``, or
``BOOTGRANT_SERVER`` and ``BOOTGRANT_TOKEN_FILE``, name another server.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bootgrant.cli.arguments import add_config_argument
from bootgrant.cli.output import Json, Refused, printable
from bootgrant.wire.admin_socket import USER_HEADER

Query = Sequence[tuple[str, str]]

_SOCKET_LIMIT = 15.0
_NETWORK_LIMIT = 30.0
"""Seconds for an answer."""
_UNKNOWN_OUTCOME = "; run `bootgrant pending` to see whether it took effect"


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--json`` for the server here, ``--server`` and ``--token-file`` for another one."""
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")
    parser.add_argument(
        "--server", default=os.environ.get("BOOTGRANT_SERVER"), metavar="URL",
        help="ask the server at this address instead of the local one; needs --token-file (BOOTGRANT_SERVER)",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", type=Path, default=os.environ.get("BOOTGRANT_TOKEN_FILE") or None, metavar="FILE",
        help="a file whose first line is an API token from `bootgrant tokens add` (BOOTGRANT_TOKEN_FILE)",
    )  # fmt: skip


def ask_api(
    args: argparse.Namespace, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()
) -> Json:
    """Send a request below ``/api/v1/`` to the server that ``args`` names, and return its answer. Raises Refused."""
    if not _is_unicode([path, members, query]):
        raise Refused("usage", "an argument is not valid text in this terminal's encoding: type it again")
    if args.server is None:
        return ask_here(args.config, method, path, members, query)
    if problem := _address_problem(args.server):
        raise Refused("bad_server", problem)
    if args.token_file is None:
        raise Refused(
            "no_token", "--server needs --token-file: run `bootgrant tokens add` on the server to get a token"
        )
    try:
        token = args.token_file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("no_token", f"the token file {args.token_file} cannot be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise Refused("no_token", f"the first line of {args.token_file} is not an API token")
    return _ask_there(args.server.rstrip("/"), token, (method, path, members, query))


def ask_here(config: Path, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()) -> Json:
    """Send a request below ``/api/v1/`` over the site's admin socket, and return the answer. Raises Refused."""
    import httpx2

    from bootgrant.service.data_folder import admin_socket
    from bootgrant.service.settings.site import SettingsError, load_site
    from bootgrant.service.supervisor.places import socket_address

    try:
        place = admin_socket(load_site(config, os.environ).data)
    except SettingsError as error:
        raise Refused("no_site", str(error)) from error
    body = None if members is None else dict(members)
    try:
        with (
            socket_address(place) as address,
            httpx2.Client(
                transport=httpx2.HTTPTransport(uds=address),
                base_url="http://admin",
                timeout=_SOCKET_LIMIT,
                headers=user_header(),
            ) as client,
        ):
            answer = client.request(method, f"/api/v1/{path}", json=body, params=list(query))
    except (httpx2.ConnectError, OSError):
        raise _no_connection(place, config) from None
    except httpx2.TransportError as error:
        unknown = _UNKNOWN_OUTCOME if method == "POST" else ""
        raise Refused("no_answer", f"the server did not answer on {place} ({type(error).__name__}){unknown}") from error
    return read_answer(answer.status_code, answer.content)


def _ask_there(server: str, token: str, request: tuple[str, str, Mapping[str, Any] | None, Query]) -> Json:
    import httpx2

    from bootgrant.trust import client_context

    method, path, members, query = request
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx2.Client(timeout=_NETWORK_LIMIT, verify=client_context(), headers=headers) as client:
            answer = client.request(method, f"{server}/api/v1/{path}", json=members, params=list(query))
    except httpx2.ConnectError as error:
        raise Refused("no_connection", f"{server} cannot be reached: {error}") from error
    except (httpx2.HTTPError, OSError) as error:
        unknown = _UNKNOWN_OUTCOME if method == "POST" else ""
        raise Refused("no_answer", f"{server} did not answer ({type(error).__name__}){unknown}") from error
    return read_answer(answer.status_code, answer.content, server)


def read_answer(status: int, body: bytes, place: str = "admin.sock") -> Json:
    """Read an answer of the server at ``place``. Raises Refused unless it is a success."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Refused("no_answer", f"{place} is not a bootgrant server (status {status})")
    if 200 <= status < 300:
        return answer
    raise Refused(str(answer.get("error", "refused")), str(answer.get("message", f"refused with status {status}")))


def user_header(suffix: str = "") -> dict[str, str]:
    """The header that names the user of this command on the admin socket."""
    return {USER_HEADER: printable(user_here() + suffix)}


def user_here() -> str:
    """The user who runs this command; under sudo, the one who called it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _no_connection(place: Path, config: Path) -> Refused:
    if _is_forbidden(place.parent, os.X_OK) or _is_forbidden(place, os.W_OK):
        return Refused("not_allowed", f"only the server's user may open {place}: run this as that user, or as root")
    start = f"start it with `bootgrant serve --config {config}`"
    return Refused("not_running", f"the server is not running (nothing answers on {place}): {start}")


def _is_forbidden(path: Path, right: int) -> bool:
    return os.access(path, os.F_OK) and not os.access(path, right)


def _is_unicode(value: object) -> bool:
    """Whether a value can be sent: the shell passes bytes that are not text as lone surrogates (PEP 383)."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _address_problem(server: str) -> str:
    """Why a server's address cannot be used; empty if it can."""
    try:
        parts = urlsplit(server)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if not host or scheme not in ("http", "https"):
        return f"--server {server!r} is not the address of a server: write https://boot.example.org"
    if scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        return f"--server {server}: plain HTTP would expose the token on the network; use https"
    return ""
