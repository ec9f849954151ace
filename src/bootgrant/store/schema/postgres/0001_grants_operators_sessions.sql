-- Grants, operators and their sessions. Times are Unix seconds; of codes, tokens and sessions only digests are stored.
-- Nothing here is known to be rejected by CockroachDB or YugabyteDB.

CREATE TABLE grants (
    grant_id           TEXT PRIMARY KEY,
    version            BIGINT NOT NULL,
    client_id          TEXT NOT NULL,
    uuid               TEXT NOT NULL,
    serial             TEXT NOT NULL,
    mac                TEXT NOT NULL,
    hostname           TEXT NOT NULL,
    identity_key       TEXT NOT NULL,
    source_address     TEXT NOT NULL,
    user_code_digest   BYTEA NOT NULL UNIQUE,
    device_code_digest BYTEA NOT NULL UNIQUE,
    token_salt         BYTEA NOT NULL,
    opened_at          DOUBLE PRECISION NOT NULL,
    expires_at         DOUBLE PRECISION NOT NULL,
    state              TEXT NOT NULL,
    decided_by         TEXT,
    decided_at         DOUBLE PRECISION,
    decision_reason    TEXT,
    entry              TEXT NOT NULL,
    token_digest       BYTEA,
    token_expires_at   DOUBLE PRECISION NOT NULL,
    delivered_at       DOUBLE PRECISION,
    deliveries         BIGINT NOT NULL,
    revoked_at         DOUBLE PRECISION
);

CREATE UNIQUE INDEX grants_by_token ON grants (token_digest) WHERE token_digest IS NOT NULL;

CREATE INDEX grants_pending ON grants (opened_at) WHERE state = 'pending';

-- When two servers receive requests of one machine at once, only one of them can be pending.
CREATE UNIQUE INDEX grants_asking ON grants (identity_key, source_address) WHERE state = 'pending';

CREATE INDEX grants_asking_uuid ON grants (uuid) WHERE state = 'pending';

CREATE INDEX grants_asking_serial ON grants (serial) WHERE state = 'pending';

CREATE INDEX grants_asking_mac ON grants (mac) WHERE state = 'pending';

CREATE INDEX grants_denied ON grants (identity_key, decided_at) WHERE state = 'denied';

CREATE INDEX grants_unfetched ON grants (expires_at) WHERE token_digest IS NULL;

CREATE INDEX grants_fetched ON grants (token_expires_at) WHERE token_digest IS NOT NULL;

CREATE TABLE deliveries (
    grant_id TEXT NOT NULL REFERENCES grants (grant_id) ON DELETE CASCADE,
    at       DOUBLE PRECISION NOT NULL,
    address  TEXT NOT NULL,
    sha256   TEXT NOT NULL,
    size     BIGINT NOT NULL
);

CREATE INDEX deliveries_by_grant ON deliveries (grant_id, at);

CREATE TABLE operators (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    created_at    DOUBLE PRECISION NOT NULL
);

CREATE TABLE sessions (
    digest     BYTEA PRIMARY KEY,
    operator   TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    created_at DOUBLE PRECISION NOT NULL,
    seen_at    DOUBLE PRECISION NOT NULL
);

-- Fingerprints of what all servers of this database must share.
CREATE TABLE agreed (
    name        TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL
);

CREATE TABLE write_check (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    checked BIGINT NOT NULL
);

INSERT INTO write_check (id, checked) VALUES (1, 0);
