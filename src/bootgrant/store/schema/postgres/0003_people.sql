-- What operators may do and how they sign in. Labels are stored as "site=fra rack=4", times as Unix seconds; of sessions,
-- tokens and challenges only digests are stored.

ALTER TABLE operators ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';

ALTER TABLE operators ADD COLUMN labels TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';

ALTER TABLE operators ADD COLUMN disabled_at DOUBLE PRECISION;

ALTER TABLE operators ADD COLUMN seen_at DOUBLE PRECISION;

ALTER TABLE operators ADD COLUMN issuer TEXT NOT NULL DEFAULT '';

ALTER TABLE operators ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- Earlier sessions do not record when and how they began, so people sign in again. 0008 creates the table again.
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
