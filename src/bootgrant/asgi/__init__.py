"""Web rules that hold for every request, one per file. They know HTTP (ASGI) and the wire, and nothing of grants."""
