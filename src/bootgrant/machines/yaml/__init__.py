"""YAML text to nodes with positions and back, within limits."""
