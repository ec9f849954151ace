-- Whose an API token is: the name of an operator, empty for a program's that belongs to nobody. No reference: a name that
-- is not there opens nothing.
ALTER TABLE api_tokens ADD COLUMN owner TEXT NOT NULL DEFAULT '';
