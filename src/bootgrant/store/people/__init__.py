"""People, their sessions, passkeys and tokens as rows. The statements are the same for SQLite and PostgreSQL."""
