"""The conversation with the provider (RFC 8628): the value, its actions and events, and the driver."""
