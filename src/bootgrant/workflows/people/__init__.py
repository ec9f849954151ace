"""Operators: signing in, sessions, passkeys, tokens, and who may have which role."""
