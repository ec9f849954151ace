-- The id of the request that replaced this one; NULL for none, and for requests that an earlier version replaced.
ALTER TABLE grants ADD COLUMN replaced_by TEXT;
