"""The pages, one subject per file: what the request contains, what the workflows say, and which template shows it."""
