-- What operators may do and how they sign in. Labels are stored as "site=fra rack=4", times as Unix seconds; of sessions,
-- tokens and challenges only digests are stored.

ALTER TABLE operators ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';

ALTER TABLE operators ADD COLUMN labels TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';

ALTER TABLE operators ADD COLUMN disabled_at REAL;

ALTER TABLE operators ADD COLUMN seen_at REAL;

ALTER TABLE operators ADD COLUMN issuer TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN subject TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX operators_by_subject ON operators (issuer, subject) WHERE issuer <> '';

-- Earlier sessions do not record when and how they began, so people sign in again.
DROP TABLE sessions;

CREATE TABLE sessions (
    digest           BLOB PRIMARY KEY,
    operator         TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    created_at       REAL NOT NULL,
    seen_at          REAL NOT NULL,
    authenticated_at REAL NOT NULL,
    via              TEXT NOT NULL,
    stage            TEXT NOT NULL,
    address          TEXT NOT NULL,
    browser          TEXT NOT NULL,
    sealed           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_operator ON sessions (operator);

CREATE TABLE passkeys (
    credential_id BLOB PRIMARY KEY,
    operator      TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    handle        BLOB NOT NULL,
    public_key    BLOB NOT NULL,
    sign_count    INTEGER NOT NULL,
    name          TEXT NOT NULL,
    created_at    REAL NOT NULL,
    used_at       REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_by_operator ON passkeys (operator);

CREATE TABLE challenges (
    digest     BLOB PRIMARY KEY,
    purpose    TEXT NOT NULL,
    about      TEXT NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX challenges_by_end ON challenges (expires_at);

CREATE TABLE api_tokens (
    name       TEXT PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL,
    expires_at REAL NOT NULL,
    used_at    REAL
) STRICT, WITHOUT ROWID;
