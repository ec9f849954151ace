-- What was delivered last for each entry. `seq` is the number of its audit record; `preview` is the configuration as
-- people may see it, compressed, and `no_preview` why there is none.
CREATE TABLE last_deliveries (
    entry      TEXT PRIMARY KEY,
    seq        INTEGER NOT NULL,
    at         REAL NOT NULL,
    address    TEXT NOT NULL,
    uuid       TEXT NOT NULL,
    serial     TEXT NOT NULL,
    mac        TEXT NOT NULL,
    hostname   TEXT NOT NULL,
    grant_id   TEXT NOT NULL,
    revision   TEXT NOT NULL,
    digest     TEXT NOT NULL,
    made       TEXT NOT NULL,
    preview    BLOB,
    no_preview TEXT NOT NULL
) STRICT;

CREATE INDEX last_deliveries_without_preview ON last_deliveries (seq) WHERE no_preview = 'pending';

CREATE INDEX audit_by_entry ON audit (entry, seq) WHERE entry IS NOT NULL;

-- Earlier versions only wrote the audit record.
INSERT INTO last_deliveries
SELECT a.entry, a.seq, a.at,
    coalesce(json_extract(a.line, '$.address'), ''),
    coalesce(a.uuid, ''), coalesce(a.serial, ''), coalesce(a.mac, ''), '',
    coalesce(a.grant_id, ''),
    coalesce(json_extract(a.line, '$.revision'), ''),
    coalesce(json_extract(a.line, '$.sha256'), ''),
    coalesce(json_extract(a.line, '$.details.made_at_delivery'), ''),
    NULL, 'older'
FROM audit a
WHERE a.seq IN (SELECT max(seq) FROM audit WHERE kind = 'delivered' AND entry IS NOT NULL GROUP BY entry);
