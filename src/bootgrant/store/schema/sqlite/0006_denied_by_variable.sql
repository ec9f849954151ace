-- Denials are looked up in memory: nothing changes here.
SELECT 1;
