"""Metrics for Prometheus: one table that describes them, and a collector that reads them at each scrape."""
