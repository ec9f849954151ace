"""Requests to a server's API: over ``data/admin.sock`` here, or over the network with an API token.

On the socket there is no password: its file mode decides who may use it. Which server a command asks, in this order:

1. ``--server`` (with ``--token-file``, or with the profile for this server), or ``--profile``;
2. ``BOOTGRANT_SERVER`` (with ``BOOTGRANT_TOKEN_FILE``, or with the profile for it), or ``BOOTGRANT_PROFILE``;
3. the site of ``--config``, ``BOOTGRANT_CONFIG``, or ``bootgrant.toml`` in the current folder;
4. the default profile of ``bootgrant login``.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bootgrant.cli.arguments import add_config_argument
from bootgrant.cli.client import profiles
from bootgrant.cli.client.profiles import Profile
from bootgrant.cli.output import Json, Refused, printable
from bootgrant.wire.admin_socket import USER_HEADER
from bootgrant.wire.secret import Secret

Query = Sequence[tuple[str, str]]

_SOCKET_LIMIT = 15.0
_NETWORK_LIMIT = 30.0
"""Seconds for an answer."""
_MOST_BYTES: Final = 64 << 20
"""Of an answer from the network: 20,000 waiting machines fit."""
_USUAL_CONFIG: Final = Path("bootgrant.toml")
_UNKNOWN_OUTCOME = "; run `bootgrant pending` to see whether it took effect"


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--json`` for the server here, ``--server`` and ``--token-file`` for another one."""
    add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the server's answer as JSON")
    parser.add_argument(
        "--server", metavar="URL",
        help="ask the server at this address, not the local one; needs a login or --token-file (BOOTGRANT_SERVER)",
    )  # fmt: skip
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="a file whose first line is an API token from `bootgrant tokens add` (BOOTGRANT_TOKEN_FILE)",
    )  # fmt: skip
    parser.add_argument(
        "--profile", metavar="PROFILE", help="ask the server of this profile of `bootgrant login` (BOOTGRANT_PROFILE)"
    )


@dataclass(frozen=True, slots=True)
class Remote:
    """A server on the network and the token for it. ``profile`` is empty when the token comes from a file."""

    server: str
    token: Secret
    profile: str = ""


def destination(args: argparse.Namespace) -> Remote | None:
    """Return the server on the network that a command asks, or None for the one here. Raises Refused."""
    environment = os.environ.get
    if args.profile is not None:
        if args.server is not None or args.token_file is not None:
            raise Refused("usage", "--profile names a server and its token: leave out --server and --token-file")
        return _of_profile(profiles.load().named(args.profile))
    file = args.token_file or (Path(name) if (name := environment("BOOTGRANT_TOKEN_FILE")) else None)
    server = args.server if args.server is not None else environment("BOOTGRANT_SERVER")
    if server is not None:
        return _of_server(server, file)
    if name := environment("BOOTGRANT_PROFILE"):
        return _of_profile(profiles.load().named(name))
    if args.config != _USUAL_CONFIG or args.config.exists():
        return None
    found = profiles.load()
    if found.default:
        return _of_profile(found.named(found.default))
    if found.by_name:
        raise Refused("no_profile", "no profile is the default: choose one with `bootgrant profiles use PROFILE`")
    return None


def is_elsewhere(args: argparse.Namespace) -> bool:
    """Return whether a command asks a server on the network. Raises Refused."""
    return destination(args) is not None


def _of_profile(profile: Profile) -> Remote:
    if not profile.allows_http and (problem := _address_problem(profile.server)):
        raise Refused("bad_server", problem)
    return Remote(profile.server, profile.secret(), profile.name)


def _of_server(server: str, token_file: Path | None) -> Remote:
    """Return the server with the token from a file, or else from the profile for exactly this server."""
    if problem := _address_problem(server):
        raise Refused("bad_server", problem)
    if token_file is not None:
        return Remote(server.rstrip("/"), _token_in(token_file))
    profile = profiles.load().of_server(server)
    if profile is None:
        other = f"run `bootgrant tokens add` on the server to get a token, or `bootgrant login {printable(server)}`"
        raise Refused("no_token", f"--server needs --token-file: {other}")
    return _of_profile(profile)


def _token_in(file: Path) -> Secret:
    try:
        token = file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("no_token", f"the token file {file} cannot be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise Refused("no_token", f"the first line of {file} is not an API token")
    return Secret(token)


def ask_api(
    args: argparse.Namespace, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()
) -> Json:
    """Send a request below ``/api/v1/`` to the server that ``args`` names, and return its answer. Raises Refused."""
    if not _is_unicode([path, members, query]):
        raise Refused("usage", "an argument is not valid text in this terminal's encoding: type it again")
    remote = destination(args)
    if remote is None:
        return ask_here(args.config, method, path, members, query)
    try:
        return ask_there(remote, method, path, members, query)
    except Refused as refused:
        if refused.error != "bad_token" or not remote.profile:
            raise
        again = f"run `bootgrant login {remote.server}` again"
        raise Refused("bad_token", f"the login {remote.profile} has expired or was revoked: {again}") from refused


def ask_here(config: Path, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()) -> Json:
    """Send a request below ``/api/v1/`` over the site's admin socket, and return the answer. Raises Refused."""
    return read_answer(*answer_here(config, method, f"/api/v1/{path}", members, query))


def answer_here(
    config: Path,
    method: str,
    path: str,
    members: Mapping[str, Any] | None = None,
    query: Query = (),
    limit: float = _SOCKET_LIMIT,
) -> tuple[int, bytes]:
    """Send a request over the site's admin socket, and return status and body. Raises Refused without an answer."""
    import httpx2

    from bootgrant.service.data_folder import admin_socket
    from bootgrant.service.settings.site import SettingsError, load_site
    from bootgrant.service.supervisor.places import socket_address

    try:
        place = admin_socket(load_site(config, os.environ).data)
    except SettingsError as error:
        other = "" if config.exists() else "; for a server on another computer, run `bootgrant login URL` first"
        raise Refused("no_site", f"{error}{other}") from error
    body = None if members is None else dict(members)
    try:
        with (
            socket_address(place) as address,
            httpx2.Client(
                # No TLS on a socket: the authorities need not be read, nor even be there.
                transport=httpx2.HTTPTransport(uds=address, verify=False),
                base_url="http://admin",
                timeout=limit,
                headers=user_header(),
            ) as client,
        ):
            answer = client.request(method, path, json=body, params=list(query))
    except (httpx2.ConnectError, OSError):
        raise _no_connection(place, config) from None
    except httpx2.TransportError as error:
        unknown = _UNKNOWN_OUTCOME if method == "POST" else ""
        raise Refused("no_answer", f"the server did not answer on {place} ({type(error).__name__}){unknown}") from error
    return answer.status_code, answer.content


def ask_there(
    remote: Remote, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()
) -> Json:
    """Send a request below ``/api/v1/`` to a server on the network, and return the answer. Raises Refused."""
    import httpx2

    from bootgrant.trust import client_context

    server = remote.server
    headers = {"authorization": f"Bearer {remote.token.reveal()}"}
    try:
        with (
            httpx2.Client(timeout=_NETWORK_LIMIT, verify=client_context(), headers=headers) as client,
            client.stream(method, f"{server}/api/v1/{path}", json=members, params=list(query)) as answer,
        ):
            if answer.is_redirect:
                target = answer.headers.get("location", "")[:200]
                raise Refused("redirect", f"{server} redirects to {target}: name the address that people use")
            body = _limited(server, answer.iter_bytes())
    except httpx2.ConnectError as error:
        raise Refused("no_connection", f"{server} cannot be reached: {error}") from error
    except (httpx2.HTTPError, OSError) as error:
        unknown = _UNKNOWN_OUTCOME if method == "POST" else ""
        raise Refused("no_answer", f"{server} did not answer ({type(error).__name__}){unknown}") from error
    return read_answer(answer.status_code, body, server)


def _limited(server: str, pieces: Iterator[bytes]) -> bytes:
    """Read an answer of any server. Raises Refused when it is too long."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > _MOST_BYTES:
            raise Refused("no_answer", f"{server} is not a bootgrant server (its answer is too long)")
    return bytes(body)


class _Answer(dict[str, Any]):
    """An object of an answer. A member that it lacks is not our mistake: the server has another version, or is none."""

    def __missing__(self, key: str) -> Any:
        reason = f"the server's answer lacks {key!r}: it is another version of bootgrant, or another server"
        raise Refused("no_answer", reason)


def read_answer(status: int, body: bytes, place: str = "admin.sock") -> Json:
    """Read an answer of the server at ``place``. Raises Refused unless it is a success."""
    try:
        answer = json.loads(body, object_hook=_Answer)
    except (ValueError, RecursionError):
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
