"""What both sides send and mean: messages, identities and limits of RFC 8628 and RFC 6749, and URLs as Go reads them.

Pure, standard library only: no socket, no clock, no store, and no decision about who may approve what.
"""
