-- When a denial was taken back, so that the machine may ask again; NULL while it is in force.
ALTER TABLE grants ADD COLUMN undenied_at DOUBLE PRECISION;

-- For the list of machines that are refused now.
CREATE INDEX grants_denied_newest ON grants (decided_at) WHERE state = 'denied';
