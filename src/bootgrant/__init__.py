"""OAuth2-authenticated machine configuration for bare metal.

``bootgrant acquire`` is the machine's half, ``bootgrant serve`` the operator's. Importing this package costs nothing.
"""

__version__ = "0.2.0"
