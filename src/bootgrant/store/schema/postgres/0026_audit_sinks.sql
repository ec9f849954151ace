-- How far each audit sink is: number and digest of the last record that its receiver has. holder is the server whose
-- turn it is until held_until; failure is empty after a success.
CREATE TABLE audit_sinks (
    name       TEXT PRIMARY KEY,
    seq        BIGINT NOT NULL,
    digest     TEXT NOT NULL,
    holder     TEXT NOT NULL,
    held_until DOUBLE PRECISION NOT NULL,
    sent_at    DOUBLE PRECISION,
    failed_at  DOUBLE PRECISION,
    failure    TEXT NOT NULL
);
