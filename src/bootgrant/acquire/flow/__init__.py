"""The device flow (RFC 8628): the conversation as a value, the driver that runs it, and the provider's endpoints."""
