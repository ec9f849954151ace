"""The process that `bootgrant serve` is: it holds the listening sockets and runs the server as its child.

It imports nothing of the server: it is small, and a new version of the server can be started without it.
"""
