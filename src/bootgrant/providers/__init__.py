"""Outside identity providers: people sign in at one (``[[oidc]]``), machines bring tokens of one (``[[providers]]``).

Both uses share one HTTP client with a circuit breaker, one reader of metadata and keys, and one set of JWT rules.
"""
