-- What 0003 cannot create itself: some versions of CockroachDB reject a table in the transaction that dropped one of its
-- name, and an index whose condition names a column that it added. Databases of an earlier 0003 have both already.
CREATE TABLE IF NOT EXISTS sessions (
    digest           BYTEA PRIMARY KEY,
    operator         TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    created_at       DOUBLE PRECISION NOT NULL,
    seen_at          DOUBLE PRECISION NOT NULL,
    authenticated_at DOUBLE PRECISION NOT NULL,
    via              TEXT NOT NULL,
    stage            TEXT NOT NULL,
    address          TEXT NOT NULL,
    browser          TEXT NOT NULL,
    sealed           TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS sessions_by_operator ON sessions (operator);

CREATE UNIQUE INDEX IF NOT EXISTS operators_by_subject ON operators (issuer, subject) WHERE issuer <> '';
