"""Machine configurations: select the entry of a machine, and turn its layers into the configuration that is served.

Pure: files come in as bytes with the names that people know them by. Nothing here reads a folder, starts a program or
knows the time.
"""
