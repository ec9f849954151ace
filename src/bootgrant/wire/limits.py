"""Sizes that both sides keep to, in bytes unless the name says otherwise."""

REQUEST_BODY = 16 * 1024
"""A form posted to ``/device/code`` or ``/token``."""

LARGEST_BODY = 4 * 1024 * 1024
"""The largest body that any endpoint of the server reads (the webhook of a git server)."""

REQUEST_HEAD = 32 * 1024
"""The target and the header lines of one request."""

REQUEST_SECONDS = 15.0
"""The time in which a request must arrive."""

ANSWER_SECONDS = 300.0
"""The time in which an answer must leave once the connection is full. Talos allows 180 s for one download."""

FORM_FIELDS = 64
"""Parameters in one form."""

VARIABLE = 256
"""One machine variable (uuid, serial, mac, hostname) as text."""

CONFIG = 16 * 1024 * 1024
"""A machine configuration."""

CONSOLE_REASON = 32
"""The start of an error's body that Talos prints on the console (``pkg/download/download.go``)."""
