"""Read YAML text into nodes with positions, within limits, and write it."""
