"""What both sides say: messages, identities and limits of RFC 8628 and RFC 6749, and URLs as Go reads them.

Pure, standard library only. It owns the forms on the wire. It knows no socket, no clock, no store, and
nothing of who may approve what.
"""
