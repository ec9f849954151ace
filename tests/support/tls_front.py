"""HTTPS in front of a plain server on this computer, as a reverse proxy is in front of `bootgrant serve`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def tls_front(context: ssl.SSLContext, port: int) -> Iterator[int]:
    """Takes TLS connections and passes what is inside them to ``port``; gives the port that it takes them on."""
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
    """One request: the machine closes each connection, or the server does after its answer."""
    with (
        contextlib.suppress(OSError),
        context.wrap_socket(connection, server_side=True) as outer,
        socket.create_connection(("127.0.0.1", port)) as inner,
    ):
        back = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
        back.start()
        _copy(outer, inner)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while some := source.recv(65536):
            target.sendall(some)
        target.shutdown(socket.SHUT_WR)
