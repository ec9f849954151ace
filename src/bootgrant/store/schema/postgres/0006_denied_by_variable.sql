-- A denial holds for whoever shares a variable with it at its address: each variable is looked up alone.
CREATE INDEX grants_denied_uuid ON grants (uuid, decided_at) WHERE state = 'denied';

CREATE INDEX grants_denied_serial ON grants (serial, decided_at) WHERE state = 'denied';

CREATE INDEX grants_denied_mac ON grants (mac, decided_at) WHERE state = 'denied';

DROP INDEX grants_denied;
