"""How much of something is allowed at once: attempts, pending requests, held polls."""
