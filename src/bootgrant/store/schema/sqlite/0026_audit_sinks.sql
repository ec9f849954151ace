-- How far each audit sink is: number and digest of the last record that its receiver has. holder is the server whose
-- turn it is until held_until; failure is empty after a success.
CREATE TABLE audit_sinks (
    name       TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL,
    digest     TEXT NOT NULL,
    holder     TEXT NOT NULL,
    held_until REAL NOT NULL,
    sent_at    REAL,
    failed_at  REAL,
    failure    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
