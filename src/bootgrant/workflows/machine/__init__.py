"""The requests of machines: opened, polled, delivered, forgotten."""
