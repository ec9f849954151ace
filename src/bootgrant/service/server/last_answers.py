"""Answers the polls of a server that was killed, so that a Talos node that it was just answering polls again.

Talos polls twice. If the connection of its second request ends without an answer, it throws its code away, and the
approval of that code with it. A killed server cannot answer, and the kernel closes its connections, unless another
process has them open too. This one does: it shares the table of descriptors (clone(2), CLONE_FILES), sleeps until the
server has ended, answers "authorization_pending" where a poll was not answered, and ends, all within ``_GRACE``.

Connections that are encrypted by bootgrant itself end without an answer: their keys die with the server.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bootgrant.service.parts.open_polls import POLL_PATH, OpenPolls
from bootgrant.wire.device_flow import ErrorCode

_CLONE: Final = {"x86_64": 56, "i686": 120, "aarch64": 220, "riscv64": 220, "armv7l": 120, "ppc64le": 120}
"""The number of the system call, by architecture."""
_PIDFD_OPEN: Final = 434
"""The same on every architecture."""
_CLONE_FILES: Final = 0x400
_PR_SET_NAME: Final = 15
_GRACE: Final = 0.05
"""Seconds for the request of a connection that the server had only just accepted."""
_MOST_READS: Final = 4
_BODY: Final = b'{"error":"%s"}' % ErrorCode.AUTHORIZATION_PENDING.encode()
ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncache-control: no-store\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
_POLL: Final = b"POST " + POLL_PATH


def answer_after_death(polls: OpenPolls) -> str:
    """Start the process that answers if this one is killed. Call it before there are threads.

    Returns why that is not possible, an empty text if it was done: not every architecture is known here, and a sandbox
    may forbid the system call.
    """
    number = _CLONE.get(platform.machine())
    if number is None:
        return f"the system calls of {platform.machine()} are not known here"
    try:
        # Not every Python is built with it.
        import ctypes

        # PyDLL keeps the interpreter's lock, so that both processes have a whole interpreter.
        libc = ctypes.PyDLL(None, use_errno=True)
    except (ImportError, OSError) as error:
        return f"ctypes: {error}"
    # os.pidfd_open depends on the headers that Python was built with.
    server = libc.syscall(_PIDFD_OPEN, os.getpid(), 0)
    if server < 0:
        return f"pidfd_open: {os.strerror(ctypes.get_errno())}"
    # Without a stack of its own, the new process continues here, as after fork(2).
    pid = libc.syscall(number, _CLONE_FILES | signal.SIGCHLD, None, None, None, None)
    if pid < 0:
        os.close(server)
        return f"clone: {os.strerror(ctypes.get_errno())}"
    if pid == 0:
        try:
            libc.prctl(_PR_SET_NAME, b"bg-last-answers", 0, 0, 0)
            _wait(server)
            _answer_all(polls)
        finally:
            os._exit(0)
    return ""


def _wait(server: int) -> None:
    # They are for the server, whose end is the only one that counts here.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ended = select.poll()
    ended.register(server, select.POLLIN)
    ended.poll()


def _answer_all(polls: OpenPolls) -> None:
    unknown: dict[int, socket.socket] = {}
    for client in _clients():
        if polls.has(client.fileno()):
            _answer(client)
        else:
            unknown[client.fileno()] = client
    coming = select.poll()
    for descriptor in unknown:
        coming.register(descriptor, select.POLLIN)
    until = time.monotonic() + _GRACE
    while unknown and (left := until - time.monotonic()) > 0:
        for descriptor, _ in coming.poll(left * 1000):
            coming.unregister(descriptor)
            client = unknown.pop(descriptor)
            if _begins_with_a_poll(client):
                _answer(client)


def _clients() -> Iterator[socket.socket]:
    """Yield the connections that came in through a listening TCP socket."""
    ports: set[int] = set()
    connected: list[socket.socket] = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=int(entry.name))
            if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
                found.detach()
            elif found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                ports.add(found.getsockname()[1])
            else:
                found.getpeername()
                connected.append(found)
    return (client for client in connected if client.getsockname()[1] in ports)


def _begins_with_a_poll(client: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        return client.recv(len(_POLL), socket.MSG_PEEK | socket.MSG_DONTWAIT) == _POLL
    return False


def _answer(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # What is left unread would turn the end of the connection into a reset, which takes the answer with it.
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MOST_READS):
                if not client.recv(1 << 16, socket.MSG_DONTWAIT):
                    break
        client.send(ANSWER, socket.MSG_DONTWAIT)
        client.shutdown(socket.SHUT_WR)
