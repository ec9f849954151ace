-- Phones and browsers that get push messages. The id follows from the address at the push service; the address and the
-- keys are only in sealed, encrypted. selectors is a JSON list; the times are those of the last message, NULL for none.
CREATE TABLE push_devices (
    device_id  TEXT PRIMARY KEY,
    operator   TEXT NOT NULL REFERENCES operators (name) ON DELETE CASCADE,
    service    TEXT NOT NULL,
    browser    TEXT NOT NULL,
    sealed     TEXT NOT NULL,
    known      BIGINT NOT NULL,
    selectors  TEXT NOT NULL,
    unknown    BIGINT NOT NULL,
    second     BIGINT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    sent_at    DOUBLE PRECISION,
    failed_at  DOUBLE PRECISION,
    failure    TEXT NOT NULL
);

CREATE INDEX push_devices_by_operator ON push_devices (operator);
