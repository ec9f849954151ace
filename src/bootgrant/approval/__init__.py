"""What is true about a grant: its states, codes, token and pace (RFC 8628 sections 3.2 to 3.5).

Pure: time comes in as ``now`` (Unix seconds), randomness as bytes. It knows no store, no HTTP and no configuration.
"""
