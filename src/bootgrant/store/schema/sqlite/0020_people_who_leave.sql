-- What a session keeps of the provider's session: its name (sid), the sealed refresh token and until when it can be used
-- (NULL: the provider does not say), when the provider was last asked, and until when one server is asking.
ALTER TABLE sessions ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';

ALTER TABLE sessions ADD COLUMN renewal TEXT NOT NULL DEFAULT '';

ALTER TABLE sessions ADD COLUMN renewal_until REAL;

ALTER TABLE sessions ADD COLUMN checked_at REAL NOT NULL DEFAULT 0;

ALTER TABLE sessions ADD COLUMN claimed_until REAL NOT NULL DEFAULT 0;

-- Empty when an admin disabled the operator, 'provider' when the provider said that they left.
ALTER TABLE operators ADD COLUMN disabled_by TEXT NOT NULL DEFAULT '';

-- Sign-outs that are remembered for some time: those that people made here, and logout tokens that were obeyed.
CREATE TABLE sign_outs (
    digest     BLOB PRIMARY KEY,
    noted_at   REAL NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
