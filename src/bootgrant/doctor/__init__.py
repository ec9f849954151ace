"""Checks a server the way a machine uses it, from the kernel command line to the configuration, and reports problems.

The doctor approves nothing and never downloads with a valid token. It leaves at most one request waiting at the
provider, which expires: the device flow (RFC 8628) has no way to cancel one.
"""
