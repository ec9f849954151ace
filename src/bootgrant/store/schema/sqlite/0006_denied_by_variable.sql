-- Denials are looked up in memory here, so PostgreSQL's indexes are not needed. This statement changes nothing.
DROP INDEX IF EXISTS grants_denied;
