"""Every route of the API, once: what is served, with which permission, and the OpenAPI document are made from it."""

from __future__ import annotations

from typing import Final

from bootgrant.approval.audit import AuditKind
from bootgrant.operator_plane.api import accounts, audit, machines, requests, windows
from bootgrant.operator_plane.api.account_routes import ACCOUNT_ROUTES
from bootgrant.operator_plane.api.call import ApiPlane
from bootgrant.operator_plane.api.route import ApiRoute
from bootgrant.operator_plane.api.shapes import (
    CODE,
    COUNT,
    FLAG,
    IDENTITY,
    LABEL,
    NAME,
    ROLE,
    TEXT,
    TIME,
    Schema,
    asked,
    listed,
    named,
    nullable,
    ref,
)  # fmt: skip
from bootgrant.operator_plane.permissions import Permission
from bootgrant.workflows.decide.windows import LONGEST, MOST

_LOOK: Final = Permission.SIGNED_IN
_DECIDE: Final = Permission.APPROVER
_ADMIN: Final = Permission.ADMIN


_LABEL: Final[Schema] = {
    **listed(LABEL),
    "maxItems": 32,
    "description": 'Only machines whose entry has this label, such as "site=fra"; may be repeated.',
}
_LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": requests.MOST_LISTED}
_SEEN: Final[Schema] = {
    "type": "string",
    "maxLength": 256,
    "description": "The fingerprint of the entry that you saw: no other is approved by it.",
}
_SHORT: Final[Schema] = {"type": "string", "maxLength": 256}
_CLAIM: Final = dict.fromkeys(("uuid", "serial", "mac", "hostname"), _SHORT)

ROUTES: Final[tuple[ApiRoute[ApiPlane], ...]] = (
    ApiRoute(
        "GET",
        "/api/v1/whoami",
        _LOOK,
        accounts.whoami,
        named(name=TEXT, role=ROLE, labels=listed(TEXT), via=TEXT, person=nullable(TEXT)),
    ),
    ApiRoute(
        "GET",
        "/api/v1/pending",
        _LOOK,
        requests.pending,
        named(pending=listed(ref("Request")), next={**nullable(TEXT), "description": "Send it as after for the rest."}),
        query={
            "label": _LABEL,
            "text": {**_SHORT, "description": "Part of a variable, of the address or of the entry's name."},
            "expected": {**FLAG, "description": "Only machines that the configurations know, or only others."},
            "limit": _LIMIT,
            "after": {"type": "string", "maxLength": 64, "description": "The next of the page before."},
        },
    ),
    ApiRoute("GET", "/api/v1/grants/{code}", _LOOK, requests.show, ref("Request"), refusals=(404,)),
    ApiRoute(
        "GET",
        "/api/v1/requests/{id}",
        _LOOK,
        requests.show_by_id,
        named(request=ref("Request"), past=ref("Past")),
        refusals=(404,),
    ),
    ApiRoute(
        "GET",
        "/api/v1/requests/{id}/configuration",
        _LOOK,
        requests.configuration,
        named(entry=TEXT, text={**TEXT, "description": "With every secret blacked out."}),
        refusals=(404, 409),
    ),
    ApiRoute(
        "POST",
        "/api/v1/approve",
        _DECIDE,
        requests.approve,
        {
            "anyOf": [
                ref("Request"),
                named(
                    approved={**listed(TEXT), "description": "Codes, as they were sent."},
                    refused={
                        "type": "object",
                        "description": "Why the others were not, by their code.",
                        "additionalProperties": ref("Error"),
                    },
                ),
            ]
        },
        body={
            "oneOf": [
                asked("code", code=CODE, seen=_SEEN),
                asked("codes", codes={**listed(CODE), "minItems": 1, "maxItems": requests.MOST_AT_ONCE}),
            ]
        },
        refusals=(404, 409, 410),
    ),
    ApiRoute(
        "POST",
        "/api/v1/deny",
        _DECIDE,
        requests.deny,
        ref("Request"),
        body=asked("code", code=CODE, reason={"type": "string", "maxLength": 1000}),
        refusals=(404, 409, 410),
    ),
    ApiRoute(
        "POST",
        "/api/v1/revoke",
        _ADMIN,
        requests.revoke_by_code,
        ref("Request"),
        body=asked("code", code=CODE),
        refusals=(404, 409, 410),
    ),
    ApiRoute(
        "POST",
        "/api/v1/requests/{id}/revoke",
        _ADMIN,
        requests.revoke,
        ref("Request"),
        refusals=(404, 409, 410),
    ),
    ApiRoute(
        "GET",
        "/api/v1/machines",
        _LOOK,
        machines.entries,
        named(entries=listed(ref("Entry"))),
        query={"label": _LABEL},
    ),
    ApiRoute(
        "GET",
        "/api/v1/configurations",
        _LOOK,
        machines.configurations,
        named(
            revision={**TEXT, "description": "Empty for a folder of finished files alone."},
            taken_at=nullable(TIME),
            problem={**TEXT, "description": "Empty when all is well."},
            since={**nullable(TIME), "description": "Since when there has been the problem."},
        ),
    ),
    ApiRoute(
        "GET",
        "/api/v1/settings",
        _LOOK,
        accounts.settings,
        named(settings=listed(named(key=TEXT, value=TEXT, is_default=FLAG, is_hidden=FLAG))),
    ),
    ApiRoute(
        "POST",
        "/api/v1/machines/explain",
        _LOOK,
        machines.explain,
        named(identity=IDENTITY, entry=nullable(ref("Entry")), assigned_by=nullable(TEXT)),
        body=asked(**_CLAIM),
        refusals=(409,),
    ),
    ApiRoute(
        "GET",
        "/api/v1/assignments",
        _LOOK,
        machines.assignments,
        named(assignments=listed(ref("Assignment"))),
    ),
    ApiRoute(
        "POST",
        "/api/v1/assign",
        _DECIDE,
        machines.assign,
        ref("Assignment"),
        body=asked("code", "entry", code=CODE, entry={"type": "string", "minLength": 1, "maxLength": 256}),
        refusals=(404, 409),
    ),
    ApiRoute(
        "POST",
        "/api/v1/unassign",
        _DECIDE,
        machines.unassign,
        ref("Assignment"),
        body=asked(**_CLAIM),
        refusals=(409,),
    ),
    ApiRoute("GET", "/api/v1/windows", _LOOK, windows.windows, named(windows=listed(ref("Window")))),
    ApiRoute(
        "POST",
        "/api/v1/arm",
        _DECIDE,
        windows.arm,
        ref("Window"),
        body=asked(
            "select",
            "seconds",
            "count",
            select={
                **listed(_SHORT),
                "minItems": 1,
                "maxItems": 16,
                "description": 'Selectors such as "site=fra,worker-*", of which one must fit.',
            },
            seconds={"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
            count={"type": "integer", "minimum": 1, "maximum": MOST},
            networks={**listed(_SHORT), "maxItems": 32, "description": "Networks or their names; none: anywhere."},
            evidence={**listed(_SHORT), "maxItems": 16, "description": "What must speak for the machine."},
            name={"type": "string", "maxLength": 63},
        ),
        refusals=(409,),
    ),
    ApiRoute(
        "POST", "/api/v1/disarm", _DECIDE, windows.disarm, ref("Window"), body=asked("name", name=NAME), refusals=(409,)
    ),
    ApiRoute(
        "GET",
        "/api/v1/audit",
        _LOOK,
        audit.newest,
        named(events=listed(ref("Event")), next={**nullable(COUNT), "description": "Send it as before for the rest."}),
        query={
            "kind": {**listed({"type": "string", "enum": [kind.value for kind in AuditKind]}), "maxItems": 32},
            "actor": _SHORT,
            "request": {"type": "string", "maxLength": 64},
            "entry": _SHORT,
            "uuid": _SHORT,
            "serial": _SHORT,
            "mac": _SHORT,
            "since": TIME,
            "until": TIME,
            "limit": _LIMIT,
            "before": {"type": "integer", "minimum": 1, "maximum": 2**53},
        },
    ),
    *ACCOUNT_ROUTES,
)
