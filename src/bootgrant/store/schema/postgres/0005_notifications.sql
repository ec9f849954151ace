-- The waiting machines that each target (the name of a notify entry) was notified of, and the messages still to be sent.

CREATE TABLE notified (
    target   TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    at       DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (target, grant_id)
);

CREATE INDEX notified_at ON notified (at);

-- grant_ids is a JSON list of ids; the text is written when the message is sent. next_at is also a lease: taking a
-- message moves it.
CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY,
    target     TEXT NOT NULL,
    grant_ids  TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    next_at    DOUBLE PRECISION NOT NULL,
    attempts   BIGINT NOT NULL
);

CREATE INDEX outbox_next ON outbox (next_at);

-- Counted by the metrics: approved, and the configuration was not fetched yet.
CREATE INDEX grants_awaited ON grants (state) WHERE state IN ('approved', 'redeemed');
