"""HTTPS in front of a plain HTTP server on this computer, like a reverse proxy in front of `bootgrant serve`."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def tls_front(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """Accept TLS connections during the block and forward their content to ``port``; yield the port to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_take, args=(listener, context, port), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _take(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, context, port), daemon=True).start()


def _serve(connection: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """Forward one connection until either side ends it. One thread, because TLS has one state for both directions."""
    with (
        contextlib.suppress(OSError),
        context.wrap_socket(connection, server_side=True) as outer,
        socket.create_connection(("127.0.0.1", port)) as inner,
    ):
        while True:
            source = outer if outer.pending() else select.select([outer, inner], [], [])[0][0]
            some = source.recv(65536)
            if not some:
                return
            (inner if source is outer else outer).sendall(some)
