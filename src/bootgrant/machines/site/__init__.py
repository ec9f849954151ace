"""`machines.yaml`: entries, patterns, selection, and which files the layers of an entry are."""
