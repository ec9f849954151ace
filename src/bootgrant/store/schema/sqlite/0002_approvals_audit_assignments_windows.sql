-- What was approved and the votes before it, as JSON; NULL until the first vote.
ALTER TABLE grants ADD COLUMN approval TEXT;

-- The audit log: `line` is the record whose SHA-256 is `digest`; the other columns are for searching.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    kind     TEXT NOT NULL,
    actor    TEXT,
    grant_id TEXT,
    entry    TEXT,
    uuid     TEXT,
    serial   TEXT,
    mac      TEXT,
    line     TEXT NOT NULL,
    digest   TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_actor ON audit (actor, seq) WHERE actor IS NOT NULL;

CREATE INDEX audit_by_grant ON audit (grant_id, seq) WHERE grant_id IS NOT NULL;

CREATE INDEX audit_by_uuid ON audit (uuid, seq) WHERE uuid IS NOT NULL;

CREATE INDEX audit_by_serial ON audit (serial, seq) WHERE serial IS NOT NULL;

CREATE INDEX audit_by_mac ON audit (mac, seq) WHERE mac IS NOT NULL;

-- The entry that an operator assigned to a machine that no entry matches.
CREATE TABLE assignments (
    identity_key TEXT PRIMARY KEY,
    uuid         TEXT NOT NULL,
    serial       TEXT NOT NULL,
    mac          TEXT NOT NULL,
    entry        TEXT NOT NULL,
    assigned_by  TEXT NOT NULL,
    at           REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX assignments_by_uuid ON assignments (uuid);

CREATE INDEX assignments_by_serial ON assignments (serial);

CREATE INDEX assignments_by_mac ON assignments (mac);

-- Armed windows; `conditions` is JSON.
CREATE TABLE windows (
    window_id  TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    conditions TEXT NOT NULL,
    armed_by   TEXT NOT NULL,
    armed_at   REAL NOT NULL,
    until      REAL NOT NULL,
    count      INTEGER NOT NULL,
    used       INTEGER NOT NULL CHECK (used BETWEEN 0 AND count)
) STRICT, WITHOUT ROWID;
