"""The store ports, implemented: SQLite by default. No rule about grants lives here, only that they are kept."""
