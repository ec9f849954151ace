"""``/access/add-operator`` and ``/access/operators/NAME/rights``: role and labels, of a new or a known operator."""

from __future__ import annotations

import logging

from starlette.responses import Response

from bootgrant.approval.operators import BadLabel, Kind, Refused, Role
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.access.operators import account_page
from bootgrant.operator_plane.pages.access.shared import is_blank, read_labels, read_role, typed
from bootgrant.operator_plane.visit import KEPT_LENGTH, Visit, actor_of, sign_in_again_first
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.ports.people import Operator
from bootgrant.workflows.people.manage_operators import NewPassword

log = logging.getLogger("bootgrant.operators")


async def show_add(visit: Visit) -> Response:
    """Show the form for a new operator."""
    return sign_in_again_first(visit) or _add_form(visit)


async def add(visit: Visit) -> Response:
    """Add an operator and show their password, once."""
    if refused := sign_in_again_first(visit):
        return refused
    made = await _add(visit)
    if isinstance(made, Refused):
        return _add_form(visit, sentence(made.message), 400)
    log.info("%s added the operator %s", actor_of(visit), ascii(made.name))
    password = made.generated.reveal() if made.generated else ""
    return visit.page(
        "access_password.html", name=made.name, password=password, is_new=True, server=visit.plane.public_url
    )


async def show_rights(visit: Visit) -> Response:
    """Show the form that changes role and labels."""
    return sign_in_again_first(visit) or await _rights_form(visit)


async def change_rights(visit: Visit) -> Response:
    """Change role and labels, and say how many approvals became void by it."""
    if refused := sign_in_again_first(visit):
        return refused
    name = visit.request.path_params["name"]
    outcome = await _change(visit, name)
    if isinstance(outcome, Refused):
        return await _rights_form(visit, sentence(outcome.message), 409)
    log.info("%s changed the operator %s", actor_of(visit), ascii(name))
    return await account_page(visit, text("operators.done_rights", name=name), outcome)


async def _add(visit: Visit) -> NewPassword | Refused:
    role = read_role(visit, text("operators.no_role"))
    if isinstance(role, Refused):
        return role
    kind = Kind.BREAK_GLASS if "break_glass" in visit.form else Kind.LOCAL
    name, manage = visit.form.get("name", "").strip(), visit.plane.manage
    try:
        labels = read_labels(visit)
    except BadLabel as error:
        return Refused(str(error))
    if await manage.operators.find_operator(name) is not None:
        return Refused(text("operators.exists", name=name))
    return await manage.add(name, role, labels, kind, None, actor_of(visit))


async def _change(visit: Visit, name: str) -> int | Refused:
    role = read_role(visit, text("operators.no_role"))
    if isinstance(role, Refused):
        return role
    try:
        labels = read_labels(visit)
    except BadLabel as error:
        return Refused(str(error))
    return await visit.plane.manage.set_rights(name, role, labels, actor_of(visit))


def _add_form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    return visit.page(
        "access_add.html",
        status,
        problem=problem,
        roles=tuple(Role),
        name=typed(visit, "name")[:64],
        chosen=typed(visit, "role"),
        labels=typed(visit, "labels"),
        break_glass=bool(typed(visit, "break_glass")),
    )


async def _rights_form(visit: Visit, problem: str = "", status: int = 200) -> Response:
    name = visit.request.path_params["name"]
    operator = await visit.plane.manage.operators.find_operator(name)
    if operator is None:
        return visit.error(error_pages.no_operator(name))
    return visit.page(
        "access_rights.html",
        status,
        problem=problem,
        operator_shown=operator,
        roles=tuple(Role),
        chosen=typed(visit, "role", operator.role.value),
        labels=_labels_of(visit, operator),
        is_at_provider=operator.kind is Kind.OIDC,
    )


def _labels_of(visit: Visit, operator: Operator) -> str:
    """Return the labels for the form: those typed, unless a sign-in in between may have cut them."""
    written = typed(visit, "labels")
    is_cut = visit.request.method != "POST" and len(written) >= KEPT_LENGTH
    return " ".join(map(str, operator.labels)) if is_blank(visit) or is_cut else written
