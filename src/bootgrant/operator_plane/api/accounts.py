"""Operators and API tokens. The local commands use these routes also while no server runs."""

from __future__ import annotations

import logging
from typing import Final

from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Kind, Refused, Role, parse_labels
from bootgrant.operator_plane.api.call import AccountsCall, AccountsPlane, ApiRoute, Call, Json, Reply, refused
from bootgrant.operator_plane.api.shapes import (
    COUNT,
    FLAG,
    LABELS,
    NAME,
    ROLE,
    TEXT,
    Schema,
    array,
    body,
    nullable,
    record,
    ref,
)
from bootgrant.operator_plane.permissions import Permission
from bootgrant.operator_plane.withheld import settings_for
from bootgrant.ports.people import ApiToken, Operator
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.manage_operators import NewPassword

log = logging.getLogger("bootgrant.operators")


async def whoami(call: Call) -> Reply:
    """Show the name and the rights of the caller, and until when its API token is valid."""
    actor = call.actor
    token = await call.plane.tokens.named(actor.author.token) if actor.author.token else None
    return Reply(
        {
            "name": actor.name,
            "role": actor.role.value,
            "labels": [str(label) for label in actor.labels],
            "via": actor.via,
            "person": actor.author.name or None,
            "expires_at": token.expires_at if token else None,
        }
    )


async def logout(call: Call) -> Reply:
    """Revoke the API token of this call. Its windows close, and its undelivered approvals become void."""
    name = call.actor.author.token
    if not name:
        return refused(409, "no_token", "this call has no API token: the admin socket needs none")
    await call.plane.tokens.revoke(name, call.actor, "logged out")
    log.info("%s logged out: its token is revoked", call.actor)
    return Reply({"revoked": name})


async def settings(call: Call) -> Reply:
    """List the settings of the running server, without secrets."""
    rows = [
        {"key": row.key, "value": row.value, "is_default": row.is_default, "is_hidden": row.is_hidden}
        for row in settings_for(call.actor, call.plane.settings)
    ]
    return Reply({"settings": rows})


async def operators(call: AccountsCall) -> Reply:
    """List all operators by name, each with the number of approvals that would become void if you disabled them."""
    listed = await call.plane.manage.operators.operators()
    undelivered = await call.plane.manage.lost.approvals.counts()
    return Reply({"operators": [operator_json(operator, undelivered(operator.name)) for operator in listed]})


async def add_operator(call: AccountsCall) -> Reply:
    """Add an operator. Without a password in the request, one is generated and returned once."""
    members = call.members
    labels = parse_labels(members.get("labels", ()))
    kind = Kind.BREAK_GLASS if members.get("break_glass") else Kind.LOCAL
    chosen = _chosen_password(call)
    if isinstance(chosen, Reply):
        return chosen
    outcome = await call.plane.manage.add(members["name"], Role(members["role"]), labels, kind, chosen, call.actor)
    return _with_password(call, members["name"], outcome, "added")


async def change_operator(call: AccountsCall) -> Reply:
    """Change an operator's role and, if sent, labels. An empty list of labels removes the limits."""
    name = call.path["name"]
    labels = parse_labels(call.members["labels"]) if "labels" in call.members else None
    outcome = await call.plane.manage.set_rights(name, Role(call.members["role"]), labels, call.actor)
    return _lost_rights(call, name, outcome, "changed")


async def disable_operator(call: AccountsCall) -> Reply:
    """Disable an operator, end their sessions, and void their undelivered approvals."""
    name = call.path["name"]
    return _lost_rights(call, name, await call.plane.manage.disable(name, call.actor), "disabled")


async def enable_operator(call: AccountsCall) -> Reply:
    """Enable a disabled operator."""
    name = call.path["name"]
    problem = await call.plane.manage.enable(name, call.actor)
    if problem is not None:
        return refused(409, "refused", problem.message)
    log.info("%s enabled the operator %s", call.actor, ascii(name))
    return Reply({"name": name})


async def reset_operator(call: AccountsCall) -> Reply:
    """Set or generate a new password, remove the operator's passkeys, and end their sessions."""
    name, chosen = call.path["name"], _chosen_password(call)
    if isinstance(chosen, Reply):
        return chosen
    return _with_password(call, name, await call.plane.manage.reset(name, chosen, call.actor), "reset")


async def tokens(call: AccountsCall) -> Reply:
    """List all API tokens by name. The tokens themselves are not stored."""
    now = call.plane.clock.now()
    return Reply({"tokens": [token_json(token, now) for token in await call.plane.tokens.store.tokens()]})


async def add_token(call: AccountsCall) -> Reply:
    """Create an API token and return it once."""
    members = call.members
    labels = parse_labels(members.get("labels", ()))
    made = await call.plane.tokens.create(
        members["name"], Role(members["role"]), labels, float(members["seconds"]), call.actor
    )
    if isinstance(made, Refused):
        return refused(409, "refused", made.message)
    log.info("%s created the token %s with the role %s", call.actor, ascii(members["name"]), members["role"])
    about = token_json(made.token, call.plane.clock.now())
    return Reply({"token": made.secret.reveal(), "about": about}, 201)


async def revoke_token(call: AccountsCall) -> Reply:
    """Revoke an API token."""
    name = call.path["name"]
    if not await call.plane.tokens.revoke(name, call.actor):
        return refused(404, "unknown", f"there is no token {name!r}: list them with `bootgrant tokens list`")
    log.info("%s revoked the token %s", call.actor, ascii(name))
    return Reply({"name": name})


def _chosen_password(call: AccountsCall) -> Secret | Reply | None:
    """Return the password of the request, None to generate one, or an error."""
    if "password" not in call.members:
        return None
    if call.actor.via != VIA_ADMIN_SOCKET:
        problem = "a password can only be chosen on the server itself: leave it out to have one generated"
        return refused(403, "not_allowed", problem)
    return Secret(call.members["password"])


def _lost_rights(call: AccountsCall, name: str, outcome: Refused | int, done: str) -> Reply:
    if isinstance(outcome, Refused):
        return refused(409, "refused", outcome.message)
    log.info("%s %s the operator %s", call.actor, done, ascii(name))
    return Reply({"name": name, "void_approvals": outcome})


def _with_password(call: AccountsCall, name: str, outcome: NewPassword | Refused, done: str) -> Reply:
    if isinstance(outcome, Refused):
        return refused(409, "refused", outcome.message)
    log.info("%s %s the operator %s", call.actor, done, ascii(name))
    made = outcome.generated.reveal() if outcome.generated else None
    return Reply({"name": name, "password": made}, 201 if done == "added" else 200)


def operator_json(operator: Operator, undelivered: int) -> Json:
    """Return an operator without the password hash."""
    return {
        "name": operator.name,
        "role": operator.role.value,
        "labels": [str(label) for label in operator.labels],
        "kind": operator.kind.value,
        "disabled_at": operator.disabled_at,
        "disabled_by": operator.disabled_by or None,
        "created_at": operator.created_at,
        "seen_at": operator.seen_at,
        "issuer": operator.issuer or None,
        "undelivered_approvals": undelivered,
    }


def token_json(token: ApiToken, now: float) -> Json:
    """Return what is stored about a token, which is not the token."""
    return {
        "name": token.name,
        "role": token.role.value,
        "labels": [str(label) for label in token.labels],
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "expired": now >= token.expires_at,
        "used_at": token.used_at,
    }


_ADMIN: Final = Permission.ADMIN_OF_ALL
_LIST: Final = Permission.ACCOUNTS
_CHOSEN: Final[Schema] = {
    **TEXT,
    "writeOnly": True,
    "description": "The password, accepted only on admin.sock. Without it one is generated.",
}
_NAMED: Final = record(name=TEXT)
_FEWER_RIGHTS: Final = record(
    name=TEXT, void_approvals={**COUNT, "description": "How many undelivered approvals of this operator became void."}
)
_PASSWORD: Final = record(
    name=TEXT, password={**nullable(TEXT), "description": "The generated password, shown once, or null."}
)
_RIGHTS: Final = {"role": ROLE, "labels": LABELS}
_LIFETIME: Final[Schema] = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": 366 * 86400,
    "description": "The lifetime in seconds, at most 366 days.",
}

ACCOUNT_ROUTES: Final[tuple[ApiRoute[AccountsPlane], ...]] = (
    ApiRoute("GET", "/api/v1/operators", _LIST, operators, record(operators=array(ref("Operator")))),
    ApiRoute(
        "POST", "/api/v1/operators", _ADMIN, add_operator, _PASSWORD,
        body=body("name", "role", name=NAME, **_RIGHTS, break_glass=FLAG, password=_CHOSEN), status=201,
        refusals=(409,),
    ),
    ApiRoute(
        "PATCH", "/api/v1/operators/{name}", _ADMIN, change_operator, _FEWER_RIGHTS, body=body("role", **_RIGHTS),
        refusals=(409,),
    ),
    ApiRoute("POST", "/api/v1/operators/{name}/disable", _ADMIN, disable_operator, _FEWER_RIGHTS, refusals=(409,)),
    ApiRoute("POST", "/api/v1/operators/{name}/enable", _ADMIN, enable_operator, _NAMED, refusals=(409,)),
    ApiRoute(
        "POST", "/api/v1/operators/{name}/reset", _ADMIN, reset_operator, _PASSWORD, body=body(password=_CHOSEN),
        refusals=(409,),
    ),
    ApiRoute("GET", "/api/v1/tokens", _LIST, tokens, record(tokens=array(ref("Token")))),
    ApiRoute(
        "POST", "/api/v1/tokens", _ADMIN, add_token,
        record(token={**TEXT, "description": "Shown once."}, about=ref("Token")),
        body=body("name", "role", "seconds", name=NAME, **_RIGHTS, seconds=_LIFETIME), status=201, refusals=(409,),
    ),
    ApiRoute("DELETE", "/api/v1/tokens/{name}", _ADMIN, revoke_token, _NAMED, refusals=(404,)),
)  # fmt: skip
