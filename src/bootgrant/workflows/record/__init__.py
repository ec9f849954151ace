"""What is kept for later readers: the audit, and notifications."""
