"""Builds and runs the server from its settings. Only this package names concrete stores, sources and providers."""
