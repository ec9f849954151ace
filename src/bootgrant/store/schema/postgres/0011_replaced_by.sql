-- The id of the request that replaced this one; NULL for none, and for requests that an earlier version replaced.
ALTER TABLE grants ADD COLUMN replaced_by TEXT;

-- The last decision about a machine: was its approval delivered?
CREATE INDEX grants_decided ON grants (identity_key, decided_at) WHERE decided_at IS NOT NULL;
