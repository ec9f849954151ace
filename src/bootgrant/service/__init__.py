"""The one place that names concrete parts: settings read, stores and sources built, both planes run."""
