"""Closed-loop load with ``wrk`` (Debian's package), and the fleet for machines that behave like Talos nodes."""
