"""``bootgrant.toml``, the environment and flags, read into one checked value."""
