-- When the claims of a provider last gave an operator their rights (Unix seconds; NULL for never, and for operators of
-- earlier versions until they sign in again), and which claims those were (a JSON array of names).
ALTER TABLE operators ADD COLUMN confirmed_at REAL;
ALTER TABLE operators ADD COLUMN confirmed_by TEXT NOT NULL DEFAULT '[]';
