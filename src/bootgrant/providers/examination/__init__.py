"""Examines a provider of ``[[oidc]]`` or ``[[providers]]`` the way the server will use it, as far as it goes without a
person, and says what it found. It signs nobody in, and leaves no session and no token behind.
"""
