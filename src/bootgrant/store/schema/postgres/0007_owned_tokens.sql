-- The operator who owns an API token; empty for a token without an owner. Not a foreign key: the token of an unknown
-- owner opens nothing.
ALTER TABLE api_tokens ADD COLUMN owner TEXT NOT NULL DEFAULT '';
