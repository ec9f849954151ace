"""Closed-loop load with ``wrk`` (a Debian package)."""
