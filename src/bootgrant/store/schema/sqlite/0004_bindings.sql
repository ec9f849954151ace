-- Which machine uses a token of an outside provider: the first that came with it. Digests only; times are Unix seconds.

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
