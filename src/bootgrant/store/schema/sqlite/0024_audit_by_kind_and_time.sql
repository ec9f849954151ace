-- Without them, a rare kind or an old time is found only by reading every record.
CREATE INDEX audit_by_kind ON audit (kind, seq);

CREATE INDEX audit_by_time ON audit (at, seq);
