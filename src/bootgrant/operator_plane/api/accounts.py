"""Operators and API tokens by program, and who one is oneself."""

from __future__ import annotations

import logging

from bootgrant.approval.operators import VIA_ADMIN_SOCKET, BadLabel, Kind, Label, Role, parse_labels
from bootgrant.operator_plane.api.call import AccountsCall, Call, Json, Told, refused
from bootgrant.ports.people import ApiToken, Operator
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.api_tokens import TokenRefused
from bootgrant.workflows.people.manage_operators import NewPassword, OperatorRefused
from bootgrant.workflows.record.audit import operator_changed, token_changed

log = logging.getLogger("bootgrant.operators")


async def whoami(call: Call) -> Told:
    """As whom this token, or this socket, acts."""
    actor = call.actor
    return Told(
        {
            "name": actor.name,
            "role": actor.role.value,
            "labels": [str(label) for label in actor.labels],
            "via": actor.via,
            "person": actor.author.name or None,
        }
    )


async def settings(call: Call) -> Told:
    """What the server runs with; what may hold a secret is hidden."""
    rows = call.plane.settings
    return Told(
        {
            "settings": [
                {"key": row.key, "value": row.value, "is_default": row.is_default, "is_hidden": row.is_hidden}
                for row in rows
            ]
        }
    )


async def operators(call: AccountsCall) -> Told:
    """Everybody who may sign in, by name."""
    return Told({"operators": [operator_json(operator) for operator in await call.plane.manage.list()]})


async def add_operator(call: AccountsCall) -> Told:
    """Somebody new. The password is the one that is sent, or made up and shown once."""
    members = call.members
    try:
        labels = parse_labels(members.get("labels", ()))
    except BadLabel as error:
        return refused(400, "bad_request", str(error))
    kind = Kind.BREAK_GLASS if members.get("break_glass") else Kind.LOCAL
    chosen = _chosen(call)
    if isinstance(chosen, Told):
        return chosen
    outcome = await call.plane.manage.add(members["name"], Role(members["role"]), labels, kind, chosen)
    return await _password(call, members["name"], outcome, "added")


async def change_operator(call: AccountsCall) -> Told:
    """Another role, and other labels when they are sent (an empty list lifts the limits)."""
    name = call.path["name"]
    labels: tuple[Label, ...] | None = None
    try:
        if "labels" in call.members:
            labels = parse_labels(call.members["labels"])
    except BadLabel as error:
        return refused(400, "bad_request", str(error))
    problem = await call.plane.manage.set_rights(name, Role(call.members["role"]), labels)
    return await _done(call, name, problem, "changed")


async def disable_operator(call: AccountsCall) -> Told:
    """Shut somebody out: their sessions end at once."""
    name = call.path["name"]
    return await _done(call, name, await call.plane.manage.disable(name), "disabled")


async def enable_operator(call: AccountsCall) -> Told:
    """Let somebody in again."""
    name = call.path["name"]
    return await _done(call, name, await call.plane.manage.enable(name), "enabled")


async def reset_operator(call: AccountsCall) -> Told:
    """A new password, sent or made up and shown once; passkeys are forgotten, sessions end."""
    name, chosen = call.path["name"], _chosen(call)
    if isinstance(chosen, Told):
        return chosen
    return await _password(call, name, await call.plane.manage.reset(name, chosen), "reset")


async def tokens(call: AccountsCall) -> Told:
    """Which tokens there are, by name; the tokens themselves are known to nobody."""
    now = call.plane.clock.now()
    return Told({"tokens": [token_json(token, now) for token in await call.plane.tokens.list()]})


async def add_token(call: AccountsCall) -> Told:
    """A token for a program, shown once."""
    members = call.members
    try:
        labels = parse_labels(members.get("labels", ()))
    except BadLabel as error:
        return refused(400, "bad_request", str(error))
    made = await call.plane.tokens.create(
        members["name"], Role(members["role"]), labels, float(members["seconds"]), call.actor
    )
    if isinstance(made, TokenRefused):
        return refused(409, "refused", made.message)
    log.info("%s made the token %s with the role %s", call.actor, ascii(members["name"]), members["role"])
    now = call.plane.clock.now()
    done = f"made with the role {members['role']}"
    await call.plane.audit.append([token_changed(now, call.actor, members["name"], done)])
    return Told({"token": made.secret.reveal(), "about": token_json(made.token, now)}, 201)


async def revoke_token(call: AccountsCall) -> Told:
    """End a token at once."""
    name = call.path["name"]
    if not await call.plane.tokens.revoke(name):
        return refused(404, "unknown", f"there is no token {name!r}: `bootgrant tokens list` shows which there are")
    log.info("%s revoked the token %s", call.actor, ascii(name))
    await call.plane.audit.append([token_changed(call.plane.clock.now(), call.actor, name, "revoked")])
    return Told({"name": name})


def _chosen(call: AccountsCall) -> Secret | Told | None:
    """The password that is sent; None to have one made up."""
    if "password" not in call.members:
        return None
    if call.actor.via != VIA_ADMIN_SOCKET:
        return refused(403, "not_allowed", "a password is chosen on the server itself; without one it is made up")
    return Secret(call.members["password"])


async def _done(call: AccountsCall, name: str, problem: OperatorRefused | None, done: str) -> Told:
    if problem is not None:
        return refused(409, "refused", problem.message)
    log.info("%s %s the operator %s", call.actor, done, ascii(name))
    await call.plane.audit.append([operator_changed(call.plane.clock.now(), call.actor, name, done)])
    return Told({"name": name})


async def _password(call: AccountsCall, name: str, outcome: NewPassword | OperatorRefused, done: str) -> Told:
    if isinstance(outcome, OperatorRefused):
        return refused(409, "refused", outcome.message)
    log.info("%s %s the operator %s", call.actor, done, ascii(name))
    await call.plane.audit.append([operator_changed(call.plane.clock.now(), call.actor, name, done)])
    made = outcome.generated.reveal() if outcome.generated else None
    return Told({"name": name, "password": made}, 201 if done == "added" else 200)


def operator_json(operator: Operator) -> Json:
    """An operator without the password's hash."""
    return {
        "name": operator.name,
        "role": operator.role.value,
        "labels": [str(label) for label in operator.labels],
        "kind": operator.kind.value,
        "disabled_at": operator.disabled_at,
        "created_at": operator.created_at,
        "seen_at": operator.seen_at,
        "issuer": operator.issuer or None,
    }


def token_json(token: ApiToken, now: float) -> Json:
    """What is known of a token; never the token."""
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
