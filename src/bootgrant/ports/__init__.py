"""What the workflows need from the world, as Protocols. No code that does anything lives here."""
