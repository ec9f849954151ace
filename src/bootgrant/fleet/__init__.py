"""Boot storms for rehearsals and benchmarks: thousands of simulated machines against a real server.

This package decides when machines arrive, how they behave on the network and when people decide, and reports the
result. A simulated machine runs the device flow of the boot-time client (``acquire.flow.device_flow``) or of a Talos
node (``acquire.talos.flow``); only the HTTP client differs, with thousands of connections in one event loop. The caller
supplies the approvals.
"""
