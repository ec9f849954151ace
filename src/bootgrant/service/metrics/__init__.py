"""What the server tells Prometheus: one table of metrics, read from plain counters when somebody asks."""
