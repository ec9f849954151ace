"""The process that works on configurations: it reads, renders, composes and validates, within limits, for the server.

It has no keys, no database and no settings of the server. What it needs it asks for (``Helper``), over the socket that
it was started with. `python -m bootgrant.configurations.worker SOCKET NOTES` runs it.
"""
