"""The servers that are compared, all started in the same way."""
