"""HTTP as a client: connections, TLS, one exchange at a time, and the download of the configuration."""
