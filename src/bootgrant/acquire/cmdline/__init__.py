"""The kernel command line: reading, settings, lint, explanation, the variables in its URLs."""
