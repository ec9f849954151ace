"""Measurements of the server against peers that it starts by itself, in the same run, round by round.

The server under test has one core to itself and the load generator the other; what is compared are ratios of one
round, because absolute figures move by a factor of two with the machine. ``make bench`` runs all of them,
``make bench ONLY=device_code`` one; results are printed, and kept in ``bench/out/``.
"""
