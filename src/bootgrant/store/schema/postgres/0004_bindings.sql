-- Which machine uses a token of an outside provider: the first that came with it. Digests only; times are Unix seconds.

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
