"""The schemas of requests and replies, as JSON Schema (draft 2020-12, which OpenAPI 3.1 uses)."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.approval.operators import Role
from bootgrant.approval.standing import Standing

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
TIME: Final[Schema] = {"type": "number", "description": "Unix time in seconds."}
SECONDS: Final[Schema] = {"type": "number", "description": "Seconds."}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
NULL: Final[Schema] = {"type": "null"}
NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 64}
LABEL: Final[Schema] = {
    "type": "string",
    "maxLength": 127,
    "description": 'A label: write "site=fra".',
    "pattern": "^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?=[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
}
LABELS: Final[Schema] = {"type": "array", "items": LABEL, "maxItems": 32, "description": 'Labels such as "site=fra".'}
ROLE: Final[Schema] = {"type": "string", "enum": [role.value for role in Role]}
CODE: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "description": "The code on the machine's screen. Case, dashes and spaces are ignored.",
}
IDENTITY: Final[Schema] = {
    "type": "object",
    "description": "What the machine reports about itself, without variables that it did not send.",
    "properties": dict.fromkeys(("uuid", "serial", "mac", "hostname"), TEXT),
    "additionalProperties": False,
}


WHY_VOID: Final[Schema] = {
    "type": "string",
    "enum": ["client", "identity", "address", "entry", "approver", "age"],
    "description": "In what this request differs from the one that was voted for, or what is wrong with the vote.",
}


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value or null."""
    return {"anyOf": [schema, NULL]}


def array(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def record(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these members."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def body(*required: str, **properties: Schema) -> Schema:
    """Return the schema of a request body: ``required`` members, optional ones, and no others."""
    return {"type": "object", "properties": properties, "required": sorted(required), "additionalProperties": False}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


COMPONENTS: Final[dict[str, Schema]] = {
    "Error": record(
        error={**TEXT, "description": "A stable name, for programs."},
        message={**TEXT, "description": "One line for a person: what is wrong and what to do."},
    ),
    "Check": record(name=TEXT, verdict={"type": "string", "enum": ["match", "mismatch", "unknown"]}, detail=TEXT),
    "Entry": record(
        name=TEXT, matched=TEXT, labels={"type": "object", "additionalProperties": TEXT}, layers=array(TEXT),
        exact=FLAG, networks=array(TEXT), approvals={"type": "integer", "minimum": 1}, machine_type=TEXT,
        precious={
            **array(TEXT),
            "description": "The fields with private keys or cluster secrets, for which two people must approve.",
        },
        revision=TEXT, fingerprint=TEXT,
        mints={**array(TEXT), "description": "The variables whose values are made at delivery, for this machine."},
    ),
    "ApprovedEntry": {
        **record(
            **dict.fromkeys(("name", "matched", "revision", "fingerprint"), TEXT),
            **dict.fromkeys(
                ("labels", "layers", "exact", "networks", "approvals", "machine_type", "precious", "mints"), NULL
            ),
        ),
        "description": "The entry as it was when the request was approved. Members that were not stored are null.",
    },
    "Request": record(
        id=TEXT,
        code={
            **TEXT,
            "description": "The code; its second half is **** for callers that may not decide about this machine.",
        },
        state={
            "type": "string",
            "enum": [
                "pending", "approved", "denied", "expired", "replaced", "revoked", "void", "redeemed", "delivered",
            ],
        },
        identity=IDENTITY, address=TEXT,
        network={**TEXT, "description": "The site's name for the network of the request, or empty."}, client_id=TEXT,
        opened_at=TIME, expires_at=TIME, age=SECONDS, left=SECONDS,
        entry={"anyOf": [ref("Entry"), ref("ApprovedEntry"), NULL]},
        problem={**TEXT, "description": "Why there is no entry and what to do, or empty if there is one."},
        standing={
            **nullable({"type": "string", "enum": [standing.value for standing in Standing]}),
            "description": "The verdict about a waiting machine. Only an expected one may be approved with others.",
        },
        alike={
            **array(TEXT),
            "description": "Ids of other requests from this address that report the same uuid, serial or mac.",
        },
        assigned_by=nullable(TEXT),
        rivals={**array(TEXT), "description": "Other addresses that claim to be the same machine at the same time."},
        needed={"type": "integer", "minimum": 1, "description": "How many people must approve."},
        votes=array(
            record(
                by=TEXT, at=TIME,
                request={
                    **nullable(TEXT), "description": "The id of the earlier request that was voted for, or null.",
                },
            )
        ),
        void_votes={
            **array(record(by=TEXT, at=TIME, request=nullable(TEXT), why=WHY_VOID, message=TEXT)),
            "description": "Votes for another request of the machine, or by a person without rights.",
        },
        undelivered=nullable(
            record(
                request=TEXT, by=TEXT, at=TIME, address=TEXT,
                what={
                    "type": "string",
                    "enum": ["code waiting", "code expired", "token waiting", "token expired", "void"],
                },
                message={**TEXT, "description": "What the card says about it."},
            )
        ),
        replaced_by={**nullable(TEXT), "description": "The id of the machine's newest request, or null."},
        void_reason={**nullable(TEXT), "description": "Why the approval is void, or null."},
        evidence={**array(ref("Check")), "description": "Worst first."},
        decided_by=nullable(TEXT), decided_at=nullable(TIME), reason=nullable(TEXT), delivered_at=nullable(TIME),
        deliveries=COUNT,
        elsewhere={
            **array(record(address=TEXT, at=TIME, refused=FLAG)),
            "description": "Uses of the machine's token at other addresses than the one that asked.",
        },
        refused_until={**nullable(TIME), "description": "When a denied machine may ask again; null if it may now."},
        undenied_by=nullable(TEXT), undenied_at=nullable(TIME),
        also_denied={
            **nullable(record(request=TEXT, by=TEXT)),
            "description": "Another denial that still refuses the machine after this one was taken back, or null.",
        },
    ),
    "Past": record(
        requests=array(record(at=TIME, address=TEXT)),
        deliveries=array(record(at=TIME, address=TEXT, entry=TEXT, sha256=TEXT, identity=IDENTITY)),
        denials=array(record(at=TIME, by=TEXT, reason=TEXT)),
        elsewhere=array(record(at=TIME, address=TEXT, requested_from=TEXT)),
    ),
    "Operator": record(
        name=TEXT, role=ROLE, labels=array(TEXT), kind={"type": "string", "enum": ["local", "oidc", "break-glass"]},
        disabled_at=nullable(TIME), created_at=TIME, seen_at=nullable(TIME), issuer=nullable(TEXT),
        disabled_by={
            **nullable(TEXT),
            "description": "provider: they left there, and is enabled by signing in there again. null: an admin.",
        },
        undelivered_approvals={**COUNT, "description": "Approvals that become void if this operator is disabled now."},
    ),
    "Token": record(
        name=TEXT, role=ROLE, labels=array(TEXT), created_by=TEXT, created_at=TIME, expires_at=TIME, expired=FLAG,
        used_at=nullable(TIME),
    ),
    "Assignment": record(identity=IDENTITY, entry=TEXT, by=TEXT, at=TIME),
    "Window": record(
        id=TEXT, name=TEXT, select=array(TEXT), networks=array(TEXT), evidence=array(TEXT), by=TEXT, armed_at=TIME,
        until=TIME, count=COUNT, used=COUNT,
    ),
    "Event": {
        "type": "object",
        "description": "An audit record as stored and exported. hash is the SHA-256 of the record without hash.",
        "properties": {
            "seq": COUNT,
            "at": {"type": "string", "format": "date-time"},
            **dict.fromkeys(("kind", "actor", "via", "grant"), TEXT),
            "machine": IDENTITY,
            **dict.fromkeys(("address", "entry", "revision", "sha256", "reason"), TEXT),
            "evidence": array(ref("Check")),
            "details": {"type": "object"},
            **dict.fromkeys(("previous", "hash"), TEXT),
        },
        "required": ["seq", "at", "kind", "previous", "hash"],
        "additionalProperties": False,
    },
}  # fmt: skip

_HEALTH: Final[Schema] = array(
    record(
        name=TEXT,
        ok=FLAG,
        last_success={**nullable(TIME), "description": "Null before the first one since the server started."},
        error={**TEXT, "description": "Why the last attempt failed. Empty if it did not."},
    )
)

STATUS: Final[Schema] = record(
    version={**TEXT, "description": "The version of the program."},
    revision={**nullable(TEXT), "description": "The Git commit that the program was installed from, if it was."},
    configurations=record(
        revision={**TEXT, "description": "Empty for a folder of finished files."},
        taken_at=nullable(TIME),
        problem={**TEXT, "description": "Empty if there is none."},
        since={**nullable(TIME), "description": "When the problem began."},
    ),
    database={"type": "string", "enum": ["sqlite", "postgresql"]},
    replicas={**nullable(COUNT), "description": "How many servers use the database; null if that is unknown."},
    certificate_end={**nullable(TIME), "description": "Null if this server has no certificate of its own."},
    authorities={
        **array(record(sha256={**TEXT, "description": "The fingerprint."}, end=TIME)),
        "description": "The site's own certificate authority, which clients have to trust, and the next one.",
    },
    chores={**_HEALTH, "description": "Background work."},
    sources={**_HEALTH, "description": "The machine configurations, the providers, and the audit sinks."},
    windows={**COUNT, "description": "Open windows."},
    waiting={**COUNT, "description": "Machines that are waiting for a decision."},
    now=TIME,
)
