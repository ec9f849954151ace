-- Older copies of this database that an admin accepted (bootgrant restore --accept), and what servers that wait for that
-- have seen of a newer one: JSON, as they keep it in a file outside the database.
CREATE TABLE acceptances (
    epoch         INTEGER NOT NULL,
    covered_epoch INTEGER NOT NULL,
    covered_seq   INTEGER NOT NULL,
    at            REAL NOT NULL,
    PRIMARY KEY (epoch, covered_epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE seen_by_servers (
    server TEXT PRIMARY KEY,
    seen   TEXT NOT NULL,
    at     REAL NOT NULL
) STRICT, WITHOUT ROWID;
