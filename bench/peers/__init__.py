"""The servers that are compared, each started in the same way: where its endpoints are, which client asks."""
