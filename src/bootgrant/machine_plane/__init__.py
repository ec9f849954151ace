"""The endpoints that machines call: device authorization, token, configuration, health. Plain ASGI, without pages.

The room owns the format of requests and responses (RFC 6749, 6750, 8628, and what Talos really sends). The decisions
are in workflows.
"""
