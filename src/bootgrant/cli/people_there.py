"""``bootgrant operators`` and ``bootgrant tokens`` for a server elsewhere: the same questions, put to its API."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bootgrant.cli.admin_socket import Json, Refused
from bootgrant.cli.remote import ask_api

Members = Mapping[str, str]


def ask_people_there(args: argparse.Namespace, path: str, members: Members | None) -> Json | Refused:
    """The answer to ``operators``, ``operators/add``, ``tokens/revoke`` and so on, as the server's own socket gives it.

    ``members`` is None for a list.
    """
    if members is None:
        return ask_api(args, "GET", path)
    if "password" in members:
        told = "a password is chosen on the server itself; from elsewhere one is made up and shown once"
        return Refused("usage", told)
    what, _, verb = path.partition("/")
    if what == "tokens":
        return _token(args, verb, members)
    name = quote(members["name"], safe="")
    match verb:
        case "add":
            body = {**_rights(members), "name": members["name"], "break_glass": members.get("kind") == "break-glass"}
            return ask_api(args, "POST", "operators", body)
        case "set":
            return ask_api(args, "PATCH", f"operators/{name}", _rights(members))
        case _:
            return ask_api(args, "POST", f"operators/{name}/{verb}")


def _token(args: argparse.Namespace, verb: str, members: Members) -> Json | Refused:
    if verb == "revoke":
        return ask_api(args, "DELETE", f"tokens/{quote(members['name'], safe='')}")
    body = {**_rights(members), "name": members["name"], "seconds": float(members["seconds"])}
    answer = ask_api(args, "POST", "tokens", body)
    if isinstance(answer, Refused):
        return answer
    return {"name": members["name"], "token": answer["token"], "expires_at": answer["about"]["expires_at"]}


def _rights(members: Members) -> dict[str, Any]:
    labels = {"labels": members["labels"].split()} if "labels" in members else {}
    return {"role": members["role"], **labels}
