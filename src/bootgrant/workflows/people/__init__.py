"""Operators: sign-in, sessions, passkeys, API tokens, roles."""
