-- Denials are looked up in memory here: no index of PostgreSQL's is needed. A statement that does nothing and says nothing.
DROP INDEX IF EXISTS grants_denied;
