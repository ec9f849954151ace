-- When a denial was taken back, so that the machine may ask again; NULL while it is in force.
ALTER TABLE grants ADD COLUMN undenied_at REAL;
