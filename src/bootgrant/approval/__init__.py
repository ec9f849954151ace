"""The rules of approval: a grant's states and codes (RFC 8628), votes, operators, policy, evidence and the audit chain.

Pure: time comes in as ``now`` (Unix seconds), randomness as bytes. No store, HTTP or configuration is known here.
"""
