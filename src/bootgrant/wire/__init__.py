"""What both sides send: messages, identities and limits of RFC 8628 and RFC 6749, and URLs as Go reads them. Pure."""
