"""sd_notify(3): reports to systemd (``Type=notify``) when the server answers, is replaced, and stops."""

from __future__ import annotations

import contextlib
import os
import socket


class ServiceManager:
    """Takes ``NOTIFY_SOCKET`` from the environment, so that the server does not inherit it. Silent without one."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def tell(self, *lines: str) -> None:
        if not self._address:
            return
        name = self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto("\n".join(lines).encode(), "\0" + name[1:] if name.startswith("@") else name)
