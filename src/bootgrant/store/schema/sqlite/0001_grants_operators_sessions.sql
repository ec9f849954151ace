-- Grants, operators and their sessions. A grant_id begins with its time, so new rows are appended. Times are Unix
-- seconds; of codes, tokens and sessions only digests are stored.

CREATE TABLE grants (
    grant_id           TEXT PRIMARY KEY,
    client_id          TEXT NOT NULL,
    uuid               TEXT NOT NULL,
    serial             TEXT NOT NULL,
    mac                TEXT NOT NULL,
    hostname           TEXT NOT NULL,
    source_address     TEXT NOT NULL,
    user_code_digest   BLOB NOT NULL,
    device_code_digest BLOB NOT NULL,
    token_salt         BLOB NOT NULL,
    opened_at          REAL NOT NULL,
    expires_at         REAL NOT NULL,
    state              TEXT NOT NULL,
    decided_by         TEXT,
    decided_at         REAL,
    decision_reason    TEXT,
    entry              TEXT NOT NULL,
    token_digest       BLOB,
    token_expires_at   REAL NOT NULL,
    delivered_at       REAL,
    deliveries         INTEGER NOT NULL,
    revoked_at         REAL
) STRICT, WITHOUT ROWID;

-- The server has the live grants in memory; it searches the file only for ended ones.
CREATE INDEX grants_unfetched ON grants (expires_at) WHERE token_digest IS NULL;

CREATE INDEX grants_fetched ON grants (token_expires_at) WHERE token_digest IS NOT NULL;

CREATE TABLE deliveries (
    grant_id TEXT NOT NULL REFERENCES grants (grant_id) ON DELETE CASCADE,
    at       REAL NOT NULL,
    address  TEXT NOT NULL,
    sha256   TEXT NOT NULL,
    size     INTEGER NOT NULL
) STRICT;

CREATE INDEX deliveries_by_grant ON deliveries (grant_id, at);

CREATE TABLE operators (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    created_at    REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    digest     BLOB PRIMARY KEY,
    operator   TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    created_at REAL NOT NULL,
    seen_at    REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE write_check (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    checked INTEGER NOT NULL
) STRICT;

INSERT INTO write_check (id, checked) VALUES (1, 0);
