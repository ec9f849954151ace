"""Which certificates are trusted."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from bootgrant.trust import client_context
from support.certificates import Authority


def test_an_authority_made_with_openssl_is_trusted_on_every_python(tmp_path: Path) -> None:
    """It has no key usage extension, which Python 3.13 requires by default."""
    authority = Authority(tmp_path)
    server = authority.server("DNS:boot.example")
    assert shaken_hands(server, client_context(authority.certificate))
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken_hands(server, client_context())


def shaken_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with client.wrap_socket(here, server_hostname="boot.example") as secured:
            return secured.version() is not None
    finally:
        here.close()
        serving.join()
