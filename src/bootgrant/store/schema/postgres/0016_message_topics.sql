-- What a message is about: machines that are waiting, or a token that was used at another address.
ALTER TABLE outbox ADD COLUMN topic TEXT NOT NULL DEFAULT 'waiting';
