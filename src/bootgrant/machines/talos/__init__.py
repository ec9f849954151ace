"""Talos's own rules: documents and tables per version, merging, JSON patches, values as Go writes them."""
