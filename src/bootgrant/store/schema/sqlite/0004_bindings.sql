-- The machine that a token of an outside provider is bound to: the first one that showed it. Of tokens only digests are
-- stored; times are Unix seconds.

CREATE TABLE bindings (
    digest       BLOB PRIMARY KEY,
    identity_key TEXT NOT NULL,
    address      TEXT NOT NULL,
    entry        TEXT NOT NULL,
    bound_at     REAL NOT NULL,
    expires_at   REAL NOT NULL,
    delivered_at REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX bindings_expires_at ON bindings (expires_at);
