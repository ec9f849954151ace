-- Command lines that wait for a person (bootgrant login). Codes are only here as digests; what was given is empty until
-- a person decides, and stays empty when they deny. No column has a token: it is made when the command line takes it.
CREATE TABLE command_line_logins (
    secret_digest BYTEA PRIMARY KEY,
    code_digest   BYTEA NOT NULL UNIQUE,
    host          TEXT NOT NULL,
    reported_user TEXT NOT NULL,
    address       TEXT NOT NULL,
    created_at    DOUBLE PRECISION NOT NULL,
    expires_at    DOUBLE PRECISION NOT NULL,
    role          TEXT NOT NULL,
    labels        TEXT NOT NULL,
    seconds       DOUBLE PRECISION NOT NULL,
    decided_at    DOUBLE PRECISION,
    operator      TEXT NOT NULL DEFAULT '',
    via           TEXT NOT NULL DEFAULT '',
    given_role    TEXT NOT NULL DEFAULT '',
    given_labels  TEXT NOT NULL DEFAULT '',
    given_seconds DOUBLE PRECISION NOT NULL DEFAULT 0
);
