"""The parts of a server, built from its settings."""
