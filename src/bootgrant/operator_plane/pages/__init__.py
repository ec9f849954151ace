"""The pages, one file each: what a request asks for, what the workflows say, which template shows it."""
