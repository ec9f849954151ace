"""The certificates that the server makes or gets itself: from an authority of its own, or from an ACME authority."""
