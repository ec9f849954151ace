"""What the supervisor and the server say to each other: one JSON object per packet of a socket pair.

The server: ``prepared`` (it could read its settings), then ``open`` for each socket, ``serving``, or ``refused`` with
the reason. The supervisor: ``go`` (the previous server has ended), and to ``open`` a socket or a problem.

A supervisor meets servers of later versions, so a packet may have members that it does not know.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any, Final

_LARGEST: Final = 1 << 16

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel that keeps packets apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message, listeners: Sequence[socket.socket] = ()) -> None:
    """Send a message, with ``listeners`` as descriptors. Raises OSError if the other end is closed."""
    packet = json.dumps(message).encode()
    socket.send_fds(channel, [packet], [listener.fileno() for listener in listeners])


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """Return the next message and the descriptors in it; None if the other end is closed. Raises OSError."""
    packet, descriptors, _, _ = socket.recv_fds(channel, _LARGEST, 4)
    if not packet:
        return None
    message: Message = json.loads(packet)
    return message, descriptors
