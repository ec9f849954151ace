-- Values made for the delivery of one request. The value is sealed with a key that only the machine's access token
-- yields, and erased when the machine can no longer fetch it. Times are Unix seconds.

CREATE TABLE minted (
    grant_id   TEXT NOT NULL,
    variable   TEXT NOT NULL,
    entry      TEXT NOT NULL,
    uuid       TEXT NOT NULL,
    serial     TEXT NOT NULL,
    mac        TEXT NOT NULL,
    hostname   TEXT NOT NULL,
    unmint     TEXT NOT NULL,
    attempt    TEXT NOT NULL,
    began_at   DOUBLE PRECISION NOT NULL,
    sealed     TEXT NOT NULL,
    program_id TEXT NOT NULL,
    made       INTEGER NOT NULL,
    fetched_at DOUBLE PRECISION,
    retry_at   DOUBLE PRECISION NOT NULL,
    tries      INTEGER NOT NULL,
    PRIMARY KEY (grant_id, variable)
);
