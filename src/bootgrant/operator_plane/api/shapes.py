"""The shapes of what the API takes and tells, as JSON Schema (draft 2020-12, the one of OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
TIME: Final[Schema] = {"type": "number", "description": "Unix time in seconds."}
SECONDS: Final[Schema] = {"type": "number", "description": "Seconds."}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 64}
LABEL: Final[Schema] = {
    "type": "string",
    "maxLength": 127,
    "description": 'A label: write "site=fra".',
    "pattern": "^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?=[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
}
LABELS: Final[Schema] = {
    "type": "array",
    "items": LABEL,
    "maxItems": 32,
    "description": 'Labels such as "site=fra".',
}
ROLE: Final[Schema] = {"type": "string", "enum": ["viewer", "approver", "admin"]}
CODE: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "description": "The code on the machine's screen; case, dashes and spaces do not matter.",
}
IDENTITY: Final[Schema] = {
    "type": "object",
    "description": "What the machine claims to be; variables that it did not give are absent.",
    "properties": dict.fromkeys(("uuid", "serial", "mac", "hostname"), TEXT),
    "additionalProperties": False,
}


def nullable(schema: Schema) -> Schema:
    """The shape, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def named(**properties: Schema) -> Schema:
    """An object with all of these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def asked(*required: str, **properties: Schema) -> Schema:
    """The body of a request: ``required`` members and optional ones, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_CHECK: Final = named(name=TEXT, verdict={"type": "string", "enum": ["match", "mismatch", "unknown"]}, detail=TEXT)
_WINDOW: Final = named(
    id=TEXT,
    name=TEXT,
    select=listed(TEXT),
    networks=listed(TEXT),
    evidence=listed(TEXT),
    by=TEXT,
    armed_at=TIME,
    until=TIME,
    count=COUNT,
    used=COUNT,
)
_ENTRY: Final = named(
    name=TEXT,
    matched=TEXT,
    labels={"type": "object", "additionalProperties": TEXT},
    layers=listed(TEXT),
    exact=FLAG,
    networks=listed(TEXT),
    approvals={"type": "integer", "minimum": 1},
    machine_type=TEXT,
    revision=TEXT,
    fingerprint=TEXT,
)
_APPROVED_ENTRY: Final = {
    **named(
        name=TEXT,
        matched=TEXT,
        labels={"type": "null"},
        layers={"type": "null"},
        exact={"type": "null"},
        networks={"type": "null"},
        approvals={"type": "null"},
        machine_type={"type": "null"},
        revision=TEXT,
        fingerprint=TEXT,
    ),
    "description": "What a request was approved for, as it was then. What is null was not kept.",
}
_REQUEST: Final = named(
    id=TEXT,
    code=TEXT,
    state={
        "type": "string",
        "enum": ["pending", "approved", "denied", "expired", "replaced", "revoked", "redeemed", "delivered"],
    },
    identity=IDENTITY,
    address=TEXT,
    network={**TEXT, "description": "The site's name for where the request came from; empty without one."},
    client_id=TEXT,
    opened_at=TIME,
    expires_at=TIME,
    age=SECONDS,
    left=SECONDS,
    entry={"anyOf": [ref("Entry"), ref("ApprovedEntry"), {"type": "null"}]},
    problem={**TEXT, "description": "Why there is no entry, and what to do; empty when there is one."},
    assigned_by=nullable(TEXT),
    rivals={**listed(TEXT), "description": "Addresses that claim the same machine at the same time."},
    needed={"type": "integer", "minimum": 1, "description": "How many people must approve."},
    votes=listed(named(by=TEXT, at=TIME)),
    evidence={**listed(ref("Check")), "description": "Worst first."},
    decided_by=nullable(TEXT),
    decided_at=nullable(TIME),
    reason=nullable(TEXT),
    delivered_at=nullable(TIME),
    deliveries=COUNT,
)
_PAST: Final = named(
    requests=listed(named(at=TIME, address=TEXT)),
    deliveries=listed(named(at=TIME, address=TEXT, entry=TEXT, sha256=TEXT)),
    denials=listed(named(at=TIME, by=TEXT, reason=TEXT)),
)
_OPERATOR: Final = named(
    name=TEXT,
    role=ROLE,
    labels=listed(TEXT),
    kind={"type": "string", "enum": ["local", "oidc", "break-glass"]},
    disabled_at=nullable(TIME),
    created_at=TIME,
    seen_at=nullable(TIME),
    issuer=nullable(TEXT),
)
_TOKEN: Final = named(
    name=TEXT,
    role=ROLE,
    labels=listed(TEXT),
    created_by=TEXT,
    created_at=TIME,
    expires_at=TIME,
    expired=FLAG,
    used_at=nullable(TIME),
)
_ASSIGNMENT: Final = named(identity=IDENTITY, entry=TEXT, by=TEXT, at=TIME)
_EVENT: Final = {
    "type": "object",
    "description": "A record of the audit as it is kept and exported; hash is the SHA-256 of the record without it.",
    "properties": {
        "seq": COUNT,
        "at": {"type": "string", "format": "date-time"},
        "kind": TEXT,
        "actor": TEXT,
        "via": TEXT,
        "grant": TEXT,
        "machine": IDENTITY,
        "address": TEXT,
        "entry": TEXT,
        "revision": TEXT,
        "sha256": TEXT,
        "reason": TEXT,
        "evidence": listed(ref("Check")),
        "details": {"type": "object"},
        "previous": TEXT,
        "hash": TEXT,
    },
    "required": ["seq", "at", "kind", "previous", "hash"],
    "additionalProperties": False,
}
_ERROR: Final = named(
    error={**TEXT, "description": "A stable name, for programs."},
    message={**TEXT, "description": "One line for a person: what is wrong, and what to do."},
)

COMPONENTS: Final[dict[str, Schema]] = {
    "Error": _ERROR,
    "Check": _CHECK,
    "Entry": _ENTRY,
    "ApprovedEntry": _APPROVED_ENTRY,
    "Request": _REQUEST,
    "Past": _PAST,
    "Operator": _OPERATOR,
    "Token": _TOKEN,
    "Assignment": _ASSIGNMENT,
    "Window": _WINDOW,
    "Event": _EVENT,
}
