"""The running server: its sockets, certificates and chores."""
