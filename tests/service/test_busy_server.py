"""A request that has arrived is answered even if the server is overloaded."""

from __future__ import annotations

import asyncio
import socket
import time

import uvicorn
import uvloop
from uvicorn.server import ServerState

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.service.parts.http_protocol import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Brief(PatientProtocol):
    request_seconds = 0.5

    def __init__(self, made: asyncio.Event) -> None:
        super().__init__(config=CONFIG, server_state=ServerState(), app_state={})
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._made.set()


async def small(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


CONFIG = uvicorn.Config(small, lifespan="off", log_config=None)


async def asked_of_a_busy_server() -> bytes:
    loop, made = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: Brief(made), "127.0.0.1", 0)
    work, begin = socket.socketpair()

    def work_for_long() -> None:
        """Block the loop for longer than a request may take to arrive, while one is in the socket's buffer."""
        loop.remove_reader(work)
        time.sleep(1.0)
        client.sendall(REQUEST)

    async with server, asyncio.timeout(10):
        with work, begin, socket.create_connection(server.sockets[0].getsockname()) as client:
            await made.wait()
            loop.add_reader(work, work_for_long)
            begin.send(b"x")
            client.setblocking(False)
            answer = b""
            while received := await loop.sock_recv(client, 4096):
                answer += received
    return answer


def test_the_deadline_excludes_time_in_which_the_server_was_busy() -> None:
    CONFIG.load()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(asked_of_a_busy_server()).endswith(b"ok")
