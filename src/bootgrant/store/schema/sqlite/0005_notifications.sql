-- Which waiting machines somebody was told of, by target (a notify entry's name), and the messages still to be sent.

CREATE TABLE notified (
    target   TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    at       REAL NOT NULL,
    PRIMARY KEY (target, grant_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX notified_at ON notified (at);

-- grant_ids: a JSON list of ids; the text is made when it is sent. next_at is also a lease: who takes a message moves it.
CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY,
    target     TEXT NOT NULL,
    grant_ids  TEXT NOT NULL,
    created_at REAL NOT NULL,
    next_at    REAL NOT NULL,
    attempts   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_next ON outbox (next_at);
