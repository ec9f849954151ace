"""Records and messages for people: the audit, and notifications."""
