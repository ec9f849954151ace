-- What was delivered last for each entry. `seq` is the number of its audit record; `preview` is the configuration as
-- people may see it, compressed, and `no_preview` why there is none.
CREATE TABLE last_deliveries (
    entry      TEXT PRIMARY KEY,
    seq        BIGINT NOT NULL,
    at         DOUBLE PRECISION NOT NULL,
    address    TEXT NOT NULL,
    uuid       TEXT NOT NULL,
    serial     TEXT NOT NULL,
    mac        TEXT NOT NULL,
    hostname   TEXT NOT NULL,
    grant_id   TEXT NOT NULL,
    revision   TEXT NOT NULL,
    digest     TEXT NOT NULL,
    made       TEXT NOT NULL,
    preview    BYTEA,
    no_preview TEXT NOT NULL
);

CREATE INDEX last_deliveries_without_preview ON last_deliveries (seq) WHERE no_preview = 'pending';

CREATE INDEX audit_by_entry ON audit (entry, seq) WHERE entry IS NOT NULL;

-- Earlier versions only wrote the audit record. It is read as a text: PostgreSQL's JSON has no NUL, which a machine may
-- report. Within a value every quote is escaped, so a name with its quotes is never part of one.
INSERT INTO last_deliveries
SELECT a.entry, a.seq, a.at,
    coalesce(substring(a.line from '"address":"([^"\\]*)"'), ''),
    coalesce(a.uuid, ''), coalesce(a.serial, ''), coalesce(a.mac, ''), '',
    coalesce(a.grant_id, ''),
    coalesce(substring(a.line from '"revision":"([^"\\]*)"'), ''),
    coalesce(substring(a.line from '"sha256":"([^"\\]*)"'), ''),
    coalesce(substring(a.line from '"made_at_delivery":"([^"\\]*)"'), ''),
    NULL, 'older'
FROM audit a
WHERE a.seq IN (SELECT max(seq) FROM audit WHERE kind = 'delivered' AND entry IS NOT NULL GROUP BY entry);
