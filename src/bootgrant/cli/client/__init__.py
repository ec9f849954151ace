"""Commands that speak to a server: the one here over ``data/admin.sock``, or another with a token."""
