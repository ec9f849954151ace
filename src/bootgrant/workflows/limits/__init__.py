"""How much is allowed at once or in a time: attempts, polls, pending requests."""
