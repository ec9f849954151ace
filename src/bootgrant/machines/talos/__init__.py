"""Talos's rules for configurations: documents and tables per version, merging, JSON patches, values."""
