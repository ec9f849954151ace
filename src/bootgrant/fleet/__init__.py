"""Thousands of simulated machines that ask a real server for their configurations: rehearsals and measurements.

It owns how machines arrive, how they behave on the network, when people decide, and the report of what happened. Each
machine holds the same conversation as the boot-time client (``acquire.flow.device_flow``) or as a Talos node
(``acquire.talos.flow``); only the sending is its own, many connections in one event loop. It decides nothing: who
approves is given by the caller.
"""
