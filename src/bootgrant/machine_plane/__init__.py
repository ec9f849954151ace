"""What machines call: device authorization, token, configuration, health. Plain ASGI, no page and no person.

It owns the form of requests and answers (RFC 6749, 6750, 8628, and Talos as it is); what happens is in workflows.
"""
