"""One file per thing that happens to a grant. They know the ports and the pure rules; no HTTP, no concrete store."""
