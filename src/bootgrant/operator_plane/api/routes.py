"""Every route of the API with its permission. The endpoints and the OpenAPI document are generated from this table."""

from __future__ import annotations

from typing import Final

from bootgrant.approval.audit import AuditKind
from bootgrant.operator_plane.api import accounts, audit, machines, previews, requests, status, windows
from bootgrant.operator_plane.api.accounts import ACCOUNT_ROUTES
from bootgrant.operator_plane.api.call import ApiPlane, ApiRoute
from bootgrant.operator_plane.api.entries import BY_LABEL, ENTRY_ROUTES
from bootgrant.operator_plane.api.shapes import (
    CODE,
    COUNT,
    FLAG,
    IDENTITY,
    NAME,
    ROLE,
    STATUS,
    TEXT,
    TIME,
    Schema,
    array,
    body,
    nullable,
    record,
    ref,
)  # fmt: skip
from bootgrant.operator_plane.api.undo import UNDO_ROUTES
from bootgrant.operator_plane.permissions import Permission
from bootgrant.workflows.decide.windows import LONGEST, MOST

_LOOK: Final = Permission.SIGNED_IN
_DECIDE: Final = Permission.APPROVER
_ADMIN: Final = Permission.ADMIN
_ADMIN_OF_ALL: Final = Permission.ADMIN_OF_ALL


_LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": requests.MOST_LISTED}
_SEEN: Final[Schema] = {
    "type": "string",
    "maxLength": 256,
    "description": "The fingerprint of the entry that you saw. If it has changed since, nothing is approved.",
}
_SHORT: Final[Schema] = {"type": "string", "maxLength": 256}
_CLAIM: Final = dict.fromkeys(("uuid", "serial", "mac", "hostname"), _SHORT)

ROUTES: Final[tuple[ApiRoute[ApiPlane], ...]] = (
    ApiRoute(
        "GET", "/api/v1/whoami", _LOOK, accounts.whoami,
        record(
            name=TEXT, role=ROLE, labels=array(TEXT), via=TEXT, person=nullable(TEXT),
            expires_at={**nullable(TIME), "description": "When the token ends. Null on the admin socket."},
        ),
    ),
    ApiRoute("POST", "/api/v1/logout", _LOOK, accounts.logout, record(revoked=TEXT), refusals=(409,)),
    ApiRoute(
        "GET", "/api/v1/pending", _LOOK, requests.pending,
        record(
            pending=array(ref("Request")),
            next={**nullable(TEXT), "description": "Send this as `after` to get the next page."},
        ),
        query={
            "label": BY_LABEL,
            "text": {**_SHORT, "description": "Part of a reported variable, the address or the entry's name."},
            "expected": {
                **FLAG,
                "description": "Only machines whose standing is expected, or only the others.",
            },
            "limit": _LIMIT,
            "after": {"type": "string", "maxLength": 64, "description": "The `next` of the previous page."},
        },
    ),
    ApiRoute("GET", "/api/v1/denied", _LOOK, requests.denied, record(denied=array(ref("Request")))),
    ApiRoute("GET", "/api/v1/grants/{code}", _LOOK, requests.show, ref("Request"), refusals=(404, 429)),
    ApiRoute(
        "GET", "/api/v1/requests/{id}", _LOOK, requests.show_by_id, record(request=ref("Request"), past=ref("Past")),
        refusals=(404,),
    ),
    ApiRoute(
        "GET", "/api/v1/requests/{id}/configuration", Permission.CONFIGURATIONS, previews.configuration,
        record(entry=TEXT, text={**TEXT, "description": "The configuration, with secrets removed."}),
        refusals=(404, 409),
    ),
    ApiRoute(
        "POST", "/api/v1/requests/{id}/configuration/reveal", _ADMIN, previews.reveal,
        record(entry=TEXT, text={**TEXT, "description": "The configuration, with its secrets."}),
        refusals=(404, 409),
    ),
    ApiRoute(
        "POST", "/api/v1/approve", _DECIDE, requests.approve,
        {
            "anyOf": [
                ref("Request"),
                record(
                    approved={**array(TEXT), "description": "The codes as sent."},
                    refused={
                        "type": "object",
                        "description": "The errors of the others, by code.",
                        "additionalProperties": ref("Error"),
                    },
                    machines={
                        "type": "object",
                        "description": "Each machine whose request was found, by code.",
                        "additionalProperties": record(
                            id=TEXT, identity=IDENTITY, address=TEXT, entry=nullable(TEXT)
                        ),
                    },
                ),
            ]
        },
        body={
            "oneOf": [
                body("code", code=CODE, seen=_SEEN),
                body("codes", codes={**array(CODE), "minItems": 1, "maxItems": requests.MOST_AT_ONCE}),
            ]
        },
        refusals=(404, 409, 410, 429),
    ),
    ApiRoute(
        "POST", "/api/v1/deny", _DECIDE, requests.deny, ref("Request"),
        body=body("code", code=CODE, reason={"type": "string", "maxLength": 1000}), refusals=(404, 409, 410, 429),
    ),
    ApiRoute(
        "POST", "/api/v1/undeny", _DECIDE, requests.undeny_by_code, ref("Request"), body=body("code", code=CODE),
        refusals=(404, 409, 429),
    ),
    ApiRoute("POST", "/api/v1/requests/{id}/undeny", _DECIDE, requests.undeny, ref("Request"), refusals=(404, 409)),
    ApiRoute(
        "POST", "/api/v1/revoke", _ADMIN, requests.revoke_by_code, ref("Request"), body=body("code", code=CODE),
        refusals=(404, 409, 410, 429),
    ),
    ApiRoute("POST", "/api/v1/requests/{id}/revoke", _ADMIN, requests.revoke, ref("Request"), refusals=(404, 409, 410)),
    ApiRoute(
        "GET", "/api/v1/configurations", _LOOK, machines.configurations,
        record(
            revision={**TEXT, "description": "Empty for a folder of finished files."},
            taken_at=nullable(TIME),
            problem={**TEXT, "description": "Empty if there is none."},
            since={**nullable(TIME), "description": "When the problem began."},
        ),
    ),
    ApiRoute(
        "POST", "/api/v1/configurations/accept", _ADMIN_OF_ALL, machines.accept_configurations,
        record(commit=TEXT, instead_of={**nullable(TEXT), "description": "The commit that was served until now."}),
        body=body("commit", commit={"type": "string", "minLength": 7, "maxLength": 64}), refusals=(409,),
    ),
    ApiRoute("GET", "/api/v1/status", _LOOK, status.show_status, STATUS),
    ApiRoute(
        "GET", "/api/v1/settings", _LOOK, accounts.settings,
        record(settings=array(record(key=TEXT, value=TEXT, is_default=FLAG, is_hidden=FLAG))),
    ),
    ApiRoute(
        "POST", "/api/v1/machines/explain", _LOOK, machines.explain,
        record(identity=IDENTITY, entry=nullable(ref("Entry")), assigned_by=nullable(TEXT)), body=body(**_CLAIM),
        refusals=(409,),
    ),
    ApiRoute("GET", "/api/v1/assignments", _LOOK, machines.assignments, record(assignments=array(ref("Assignment")))),
    ApiRoute(
        "POST", "/api/v1/assign", _DECIDE, machines.assign, ref("Assignment"),
        body=body("code", "entry", code=CODE, entry={"type": "string", "minLength": 1, "maxLength": 256}),
        refusals=(404, 409, 429),
    ),
    ApiRoute(
        "POST", "/api/v1/unassign", _DECIDE, machines.unassign, ref("Assignment"), body=body(**_CLAIM), refusals=(409,)
    ),
    ApiRoute("GET", "/api/v1/windows", _LOOK, windows.windows, record(windows=array(ref("Window")))),
    ApiRoute(
        "POST", "/api/v1/arm", _DECIDE, windows.arm, ref("Window"),
        body=body(
            "select", "seconds", "count",
            select={
                **array(_SHORT), "minItems": 1, "maxItems": 16,
                "description": 'Selectors such as "site=fra,worker-*". One of them must match.',
            },
            seconds={"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
            count={"type": "integer", "minimum": 1, "maximum": MOST},
            networks={**array(_SHORT), "maxItems": 32, "description": "Networks or their names. Empty means anywhere."},
            evidence={**array(_SHORT), "maxItems": 16, "description": "Names of evidence that must match."},
            name={"type": "string", "maxLength": 63},
            force={**FLAG, "description": "Arm it even if a selector fits no entry."},
        ),
        refusals=(409,),
    ),
    ApiRoute(
        "POST", "/api/v1/disarm", _DECIDE, windows.disarm, ref("Window"), body=body("name", name=NAME), refusals=(409,)
    ),
    ApiRoute(
        "GET", "/api/v1/audit", _LOOK, audit.listed,
        record(
            events=array(ref("Event")),
            next={
                **nullable(COUNT),
                "description": "Send this as `before` to get the next page; if the request has `after`, as `after`.",
            },
        ),
        query={
            "kind": {**array({"type": "string", "enum": [kind.value for kind in AuditKind]}), "maxItems": 32},
            "actor": _SHORT,
            "request": {"type": "string", "maxLength": 64},
            **dict.fromkeys(("entry", "uuid", "serial", "mac"), _SHORT),
            **dict.fromkeys(("since", "until"), TIME),
            "limit": _LIMIT,
            "before": {"type": "integer", "minimum": 1, "maximum": 2**53},
            "after": {
                "type": "integer", "minimum": 0, "maximum": 2**53,
                "description": "List the events with higher numbers, oldest first; `before` has no effect then.",
            },
        },
    ),
    ApiRoute(
        "GET", "/api/v1/audit/head", _LOOK, audit.head,
        record(
            seq={**COUNT, "description": "The number of the newest record, 0 if there is none."},
            hash={**TEXT, "description": "Its SHA-256."},
            head={**TEXT, "description": "Both, as `bootgrant audit verify --head` takes them."},
        ),
    ),
    *ENTRY_ROUTES,
    *UNDO_ROUTES,
    *ACCOUNT_ROUTES,
)  # fmt: skip
