"""Asking a server elsewhere over its API: ``--server`` and ``--token-file``, or ``BOOTGRANT_SERVER`` and
``BOOTGRANT_TOKEN_FILE``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bootgrant.cli.admin_socket import Json, Refused, add_socket_arguments, ask, read_answer

_TIME_LIMIT = 30.0
Query = Sequence[tuple[str, str]]


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--json`` for the server here, ``--server`` and ``--token-file`` for one elsewhere."""
    add_socket_arguments(parser)
    parser.add_argument(
        "--server",
        default=os.environ.get("BOOTGRANT_SERVER"),
        metavar="URL",
        help="ask the server at this address instead of the one here; needs --token-file (BOOTGRANT_SERVER)",
    )
    token_file = os.environ.get("BOOTGRANT_TOKEN_FILE")
    parser.add_argument(
        "--token-file",
        type=Path,
        default=Path(token_file) if token_file else None,
        metavar="FILE",
        help="its first line is an API token, made with `bootgrant tokens add` (BOOTGRANT_TOKEN_FILE)",
    )


def ask_api(
    args: argparse.Namespace, method: str, path: str, members: Mapping[str, Any] | None = None, query: Query = ()
) -> Json | Refused:
    """The answer of the server that ``args`` names to a request below ``/api/v1/``, or why there is none."""
    if not _is_unicode([path, members, query]):
        return Refused("usage", "a word of the command is no text in this terminal's encoding: write it anew")
    if args.server is None:
        return ask(args.config, method, path, members, query)
    if problem := _problem(args.server):
        return Refused("bad_server", problem)
    if args.token_file is None:
        return Refused("no_token", "--server needs --token-file: `bootgrant tokens add` on the server makes a token")
    try:
        token = args.token_file.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        return Refused("no_token", f"the token file {args.token_file} cannot be read: {error}")
    if not token or not token.isascii() or not token.isprintable():
        return Refused("no_token", f"the first line of {args.token_file} is no API token")
    return _ask(args.server.rstrip("/"), token, (method, path, members, query))


def _ask(server: str, token: str, asked: tuple[str, str, Mapping[str, Any] | None, Query]) -> Json | Refused:
    import httpx2

    from bootgrant.trust import client_context

    method, path, members, query = asked
    headers = {"authorization": f"Bearer {token}"}
    try:
        with httpx2.Client(timeout=_TIME_LIMIT, verify=client_context(), headers=headers) as client:
            answer = client.request(method, f"{server}/api/v1/{path}", json=members, params=list(query))
    except httpx2.ConnectError as error:
        return Refused("no_connection", f"{server} cannot be reached: {error}")
    except (httpx2.HTTPError, OSError) as error:
        unknown = "; whether it took effect, `bootgrant pending` shows" if method == "POST" else ""
        return Refused("no_answer", f"{server} did not answer ({type(error).__name__}){unknown}")
    return read_answer(answer.status_code, answer.content, server)


def _is_unicode(said: object) -> bool:
    """Whether it can be sent: bytes that are no text come from the shell as lone surrogates (PEP 383)."""
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(server: str) -> str:
    """Why this address is not asked; empty when it may be."""
    try:
        parts = urlsplit(server)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        scheme, host = "", None
    if not host or scheme not in ("http", "https"):
        return f"--server {server!r} is no address of a server: write https://boot.example.org"
    if scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        return f"--server {server}: over plain HTTP the token could be read on the way; use https"
    return ""
