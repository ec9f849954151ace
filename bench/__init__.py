"""Benchmarks of the server and of peers, started in the same run and measured in alternating rounds.

The server under test has one core and the load generator the other. Only ratios within a round are compared, because
absolute figures vary by a factor of two between computers. ``make bench`` runs everything,
``make bench ONLY=device_code`` one measurement; results are printed and stored in ``bench/out/``.
"""
