-- Who armed a window and how they signed in, each in a column of its own. 0010 fills them: versions of CockroachDB write
-- no column in the transaction that added it.
ALTER TABLE windows ADD COLUMN author TEXT NOT NULL DEFAULT '';

ALTER TABLE windows ADD COLUMN author_via TEXT NOT NULL DEFAULT '';
