-- A denial also applies to a machine at its address that shares one variable, so each variable has an index.
CREATE INDEX grants_denied_uuid ON grants (uuid, decided_at) WHERE state = 'denied';

CREATE INDEX grants_denied_serial ON grants (serial, decided_at) WHERE state = 'denied';

CREATE INDEX grants_denied_mac ON grants (mac, decided_at) WHERE state = 'denied';

DROP INDEX grants_denied;
