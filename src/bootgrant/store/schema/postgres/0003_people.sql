-- Who may do what, and how they prove who they are. Labels are "site=fra rack=4"; times are Unix seconds. Sessions, tokens and challenges are digests only.

ALTER TABLE operators ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';

ALTER TABLE operators ADD COLUMN labels TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';

ALTER TABLE operators ADD COLUMN disabled_at DOUBLE PRECISION;

ALTER TABLE operators ADD COLUMN seen_at DOUBLE PRECISION;

ALTER TABLE operators ADD COLUMN issuer TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- Sessions of the version before do not say when and how they began: people sign in again. 0008 makes the table anew.
DROP TABLE sessions;

CREATE TABLE passkeys (
    credential_id BYTEA PRIMARY KEY,
    operator      TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    handle        BYTEA NOT NULL,
    public_key    BYTEA NOT NULL,
    sign_count    BIGINT NOT NULL,
    name          TEXT NOT NULL,
    created_at    DOUBLE PRECISION NOT NULL,
    used_at       DOUBLE PRECISION
);

CREATE INDEX passkeys_by_operator ON passkeys (operator);

CREATE TABLE challenges (
    digest     BYTEA PRIMARY KEY,
    purpose    TEXT NOT NULL,
    about      TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL
);

CREATE INDEX challenges_by_end ON challenges (expires_at);

CREATE TABLE api_tokens (
    name       TEXT PRIMARY KEY,
    digest     BYTEA NOT NULL UNIQUE,
    role       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    created_by TEXT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    used_at    DOUBLE PRECISION
);
