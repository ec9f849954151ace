-- Older copies of this database that an admin accepted (bootgrant restore --accept), and what servers that wait for that
-- have seen of a newer one: JSON, as they keep it in a file outside the database.
CREATE TABLE acceptances (
    epoch         BIGINT NOT NULL,
    covered_epoch BIGINT NOT NULL,
    covered_seq   BIGINT NOT NULL,
    at            DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (epoch, covered_epoch)
);

CREATE TABLE seen_by_servers (
    server TEXT PRIMARY KEY,
    seen   TEXT NOT NULL,
    at     DOUBLE PRECISION NOT NULL
);
