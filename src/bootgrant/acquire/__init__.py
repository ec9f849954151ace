"""The machine's half: kernel command line, device flow (RFC 8628), download, delivery to a file or a command.

Standard library, ``bootgrant.wire`` and two pure-Python libraries (h11 for HTTP, segno for the QR code); nothing of
the server. It runs in an initramfs and as a library.
"""
