"""Outside providers: asking them whose token this is (ports.token_verifier)."""
