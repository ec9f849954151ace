-- The machine that a token of an outside provider is bound to: the first one that showed it. Of tokens only digests are
-- stored; times are Unix seconds.

CREATE TABLE bindings (
    digest       BYTEA PRIMARY KEY,
    identity_key TEXT NOT NULL,
    address      TEXT NOT NULL,
    entry        TEXT NOT NULL,
    bound_at     DOUBLE PRECISION NOT NULL,
    expires_at   DOUBLE PRECISION NOT NULL,
    delivered_at DOUBLE PRECISION
);

CREATE INDEX bindings_expires_at ON bindings (expires_at);
