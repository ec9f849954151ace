"""Boot storms for rehearsals and benchmarks: thousands of simulated machines against a real server.

A simulated machine runs the device flow of the boot-time client (``acquire.flow.device_flow``) or of a Talos node
(``acquire.talos.flow``) with an HTTP client of its own. The caller supplies the approvals.
"""
