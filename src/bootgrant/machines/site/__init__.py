"""`machines.yaml` and the files around it: entries, patterns, selection, layers."""
