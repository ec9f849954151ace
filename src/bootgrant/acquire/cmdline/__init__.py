"""The kernel command line: parsing, its parameters and the variables in its URLs, and what is wrong with it."""
