"""Password hashing (Argon2), passkeys (WebAuthn), and sealing what a session keeps (JWE)."""
