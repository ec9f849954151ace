"""Plays a machine from its kernel command line to its configuration, without a machine, and says what will go wrong.

It approves nothing, and it never downloads with a token that is good. It leaves at most one request waiting at the
provider, which expires by itself: the device flow (RFC 8628) has no way to take one back.
"""
