"""uvicorn's HTTP protocol with limits on each request, and with a short way for the busiest paths.

uvicorn limits only the pause between two requests of a connection. A client that sends one byte a second, or that never
reads its answer, would keep its connection forever, and endless headers would fill the memory. Here a request must
arrive within ``REQUEST_SECONDS``, its head must fit into ``REQUEST_HEAD`` bytes, and the client must read the answer
within ``ANSWER_SECONDS``.

Thousands of machines request codes and poll for tokens. These requests go directly from the parser to their endpoint,
and the answer is one write, without the task, the event and the messages of ASGI. All other requests use uvicorn's ASGI
path. Both paths end in the same endpoint (machine_plane/endpoint.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bootgrant.asgi.answer import Answer
from bootgrant.asgi.eager import Done, Rest, start
from bootgrant.machine_plane.endpoint import TOO_LARGE, TOO_SLOW
from bootgrant.service.parts.connections import Place
from bootgrant.service.parts.cycle_transport import CycleTransport
from bootgrant.service.parts.heads import LONG_HEAD, UNREADABLE, HeadTooLong, announced_body, size_of_head
from bootgrant.service.parts.open_polls import POLL_PATH, OpenPolls
from bootgrant.service.parts.short_way import NO_SHORT_WAY, ShortWay
from bootgrant.wire.limits import ANSWER_SECONDS, LARGEST_BODY, REQUEST_BODY, REQUEST_HEAD, REQUEST_SECONDS

NEVER: Final = float("inf")
_SOONEST: Final = 0.05
_LATE: Final = 0.2
"""A timer that is later than this, in seconds, means that the server is overloaded."""
_SLOW_BODY_ANSWER: Final = 1.0
"""Extra seconds in which an endpoint can answer that a body was too slow."""
_LAST_REQUEST: Final = 2.0
"""Seconds that a new connection has to send its first request when the server stops."""
_LINGER: Final = 1.0
"""Seconds in which the rest of a refused body is discarded, because closing at once could destroy the answer."""


def protocol_with(short_way: ShortWay, open_polls: OpenPolls | None = None) -> type[PatientProtocol]:
    """Return the protocol class for one server. ``open_polls`` learns on which connections there is a poll."""

    class WithShortWay(PatientProtocol):
        way = short_way
        polls = open_polls

    return WithShortWay


class PatientProtocol(HttpToolsProtocol):
    """One connection. ``_path`` is set while a request of the short way arrives or is answered.

    ``_ends_at`` is the deadline of the connection, on the monotonic clock. Each request moves it, and a timer per
    request would cost as much as the answer, so a single timer checks it from time to time.

    ``_unread`` counts the bytes since the parser last delivered a whole head or a part of a body, which are the bytes
    that it buffers: a target, headers, a chunk extension or trailers. ``_idle`` is true from the answer to one request
    until the first byte of the next; it is false before the first request.

    ``_cycles`` are the requests on uvicorn's path that are not answered: uvicorn itself knows only the last of them.
    ``_size`` counts the body of the request that arrives, and ``_is_large`` is true if more than any endpoint reads was
    announced. While the connection ``_lingers``, it has answered everything and only discards input.
    """

    way = NO_SHORT_WAY
    polls: OpenPolls | None = None
    place: Place | None = None
    request_seconds = REQUEST_SECONDS
    answer_seconds = ANSWER_SECONDS
    _ends_at = NEVER
    _check_at = NEVER
    _full: asyncio.TimerHandle | None = None
    _timer: asyncio.TimerHandle | None = None
    _path: bytes | None = None
    _answering = False
    _keep_alive = True
    _gone: asyncio.Future[None] | None = None
    _unread = 0
    _idle = False
    _polls_on: int | None = None
    _size = 0
    _is_large = False
    _lingers = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self._cycles: deque[RequestResponseCycle] = deque()
        self._ends_at = monotonic() + self.request_seconds
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._has_room()
        self._note_poll(b"")
        if self.place is not None:
            self.place.leave()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self._abandon()
        super().connection_lost(exc)

    def _abandon(self) -> None:
        """Let the requests on uvicorn's path end without an answer."""
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()
        self._cycles.clear()

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        if self._lingers or self.transport.is_closing():
            return
        self._unread += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # A server may ignore an offer to change the protocol (RFC 9110 section 7.8).
            return
        except httptools.HttpParserError as error:
            # Only counted: with a log line for each, anyone could fill the disk.
            self._refuse(LONG_HEAD if isinstance(error.__context__, HeadTooLong) else UNREADABLE)
            return
        if self._unread > REQUEST_HEAD:
            self._refuse(LONG_HEAD)

    def _refuse(self, answer: Answer) -> None:
        """Close the connection, after ``answer`` unless an earlier request is still waiting for its own."""
        if self.transport.is_closing():
            return
        self.way.counts.answered["unreadable", answer.status] += 1
        if self._answering or not self._is_answered():
            self._abandon()
            self.transport.close()
            return
        self._keep_alive = False
        self._write(answer)

    def _is_answered(self) -> bool:
        """Return whether every ASGI request has been answered. uvicorn has no cycle before the first one."""
        return bool(getattr(self.cycle, "response_complete", True))

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._full is None:
            # close() would wait until the client has read everything, possibly forever.
            self._full = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._has_room()
        super().resume_writing()

    def _has_room(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def shutdown(self) -> None:
        """Stop: answer the requests that have arrived or are arriving, and then close the connection.

        A client that has just connected is about to send a request and would take a closed connection for a failure,
        so it gets a little time.
        """
        self._keep_alive = False
        if self._answering:
            return
        if not self._is_answered():
            self.cycle.keep_alive = False
        elif self._idle and not self._unread:
            self.transport.close()
        elif not self._unread and self._path is None:
            self._stop_timer()
            self._ends_at = min(self._ends_at, monotonic() + _LAST_REQUEST)
            self._check_later()

    def on_response_complete(self) -> None:
        if self._cycles:
            self._cycles.popleft()
        self._idle = not self.pipeline
        if self._idle:
            self._has_answered()
            # uvicorn restarts its own limit with every byte, even if the byte does not begin a request.
            self._ends_at = min(self._ends_at, self._next_begins_by())
        super().on_response_complete()

    def on_message_begin(self) -> None:
        if self._answering:
            # A pipelined request before the last answer is not read, and the connection closes after that answer.
            self._keep_alive = False
            self.url, self.headers = b"", []
            return
        self._idle = self._is_large = False
        self._size = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._path = None
        self._ends_at = monotonic() + self.request_seconds
        if self._timer is None:
            self._check_later()

    def on_headers_complete(self) -> None:
        if self._unread > REQUEST_HEAD and size_of_head(self.url, self.headers) > REQUEST_HEAD:
            raise HeadTooLong
        self._unread = 0
        if self._answering:
            return
        path = self.url.partition(b"?")[0]
        self._note_poll(path)
        # The parser appends trailers from here on, which are not headers (RFC 9110 section 6.5.1).
        head, self.headers = self.headers, []
        if self.parser.should_upgrade():
            # The parser reads nothing after this head.
            self._keep_alive = False
        announced = announced_body(head)
        if self._is_answered() and path in self.way.endpoints and self._is_plain_post():
            self._path, self._head = path, head
            self._body: list[bytes] = []
            if announced > REQUEST_BODY:
                self._refuse_body()
            return
        self._is_large = announced > LARGEST_BODY
        # The body has its own time limit; the endpoint that reads it can answer first.
        self._ends_at = monotonic() + self.request_seconds + _SLOW_BODY_ANSWER
        url, expects = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.scope["headers"] = head
        super().on_headers_complete()
        self._cycles.append(self.cycle)
        self.cycle.transport = cast("asyncio.Transport", CycleTransport(self.transport, self.cycle, self._linger))
        if self._is_large or not self._keep_alive:
            self.cycle.keep_alive = False

    def _note_poll(self, path: bytes) -> None:
        """Note whether the present request is a poll. It stays noted after the answer, which may not be sent yet."""
        if self._polls_on is not None and self.polls is not None:
            self.polls.end(self._polls_on)
            self._polls_on = None
        if path == POLL_PATH and self.polls is not None:
            self._polls_on = self.transport.get_extra_info("socket").fileno()
            self.polls.begin(self._polls_on)

    def _is_plain_post(self) -> bool:
        # uvicorn knows that the answer to HEAD has no body.
        return self.parser.get_method() == b"POST" and not self.expect_100_continue

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        self._size += len(body)
        if self._path is None:
            super().on_body(body)
            if self._size > REQUEST_BODY and self.cycle.response_complete:
                self._linger()
        elif self._answering:
            return
        elif self._size <= REQUEST_BODY:
            self._body.append(body)
        else:
            self._refuse_body()

    def _refuse_body(self) -> None:
        """Answer a request of the short way whose body is too large, without waiting for the rest of it."""
        if self._path is not None and not self._lingers:
            self._answering, self._keep_alive = True, False
            self._write(self.way.cut_short(self._path, TOO_LARGE), linger=True)

    def _linger(self) -> None:
        """Close the connection after the answer, but first discard for a moment what the client is still sending."""
        if self.transport.is_closing() or self._lingers:
            return
        self._lingers = True
        self._stop_timer()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._ends_at = monotonic() + _LINGER
        self._check_later()

    def _has_answered(self) -> None:
        if self.place is not None:
            self.place.answered()

    def on_message_complete(self) -> None:
        self._unread = 0
        if self.place is not None and not self._lingers:
            self.place.heard()
        if self._path is None:
            self._ends_at = self._next_begins_by() if self._is_answered() else NEVER
            super().on_message_complete()
            return
        if self._answering:
            return
        self._ends_at = NEVER
        self._keep_alive = self._keep_alive and self.parser.should_keep_alive()
        self._answering = True
        self._respond(self._path)

    def _respond(self, path: bytes) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": self.parser.get_http_version(),
            "method": self.parser.get_method().decode("ascii"),
            "path": path.decode("ascii"),
            "headers": self._head,
            "client": self.client,
        }
        self._gone = self.loop.create_future()
        outcome = start(self.way.respond(path, scope, b"".join(self._body), self._gone))
        if isinstance(outcome, Done):
            self._write(outcome.value)
            return
        self._stop_timer()
        if self.way.in_tasks:
            task = self.loop.create_task(self._wait(outcome))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            return
        # When the server stops, it waits for what is in here, and cancels it if necessary.
        self.tasks.add(cast("asyncio.Task[None]", outcome))
        outcome.then(self._waited)

    def _waited(self, rest: Rest[Answer | None], answer: Answer | None) -> None:
        self.tasks.discard(cast("asyncio.Task[None]", rest))
        self._write(answer)

    async def _wait(self, rest: Rest[Answer | None]) -> None:
        self._write(await rest)

    def _write(self, answer: Answer | None, *, linger: bool = False) -> None:
        """Write the answer, and prepare for the next request or close the connection."""
        self._gone = None
        if answer is None or self.transport.is_closing():
            return
        lines = [STATUS_LINE[answer.status]]
        for name, value in self.server_state.default_headers:
            lines += (name, b": ", value, b"\r\n")
        if answer.closes:
            self._keep_alive = False
        elif not self._keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(answer.rest)
        self.transport.write(b"".join(lines))
        if linger:
            self._linger()
            return
        if not self._keep_alive:
            self.transport.close()
            return
        self._answering, self._path = False, None
        self.server_state.total_requests += 1
        self._idle = True
        self._has_answered()
        self._ends_at = self._next_begins_by()
        if self._timer is None:
            self._check_later()

    def _next_begins_by(self) -> float:
        return monotonic() + self.timeout_keep_alive

    def _check_later(self) -> None:
        now = monotonic()
        self._check_at = now + max(min(self._ends_at - now, self.request_seconds), _SOONEST)
        self._timer = self.loop.call_later(self._check_at - now, self._check)

    def _check(self) -> None:
        now = monotonic()
        late = now - self._check_at
        if late > _LATE:
            # The client does not pay for a busy server: what arrived meanwhile is read before the next check.
            self._ends_at = max(self._ends_at + late, now + _SOONEST)
        if self._ends_at > now:
            self._check_later()
        else:
            self._timer = None
            self._give_up()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self._path is not None and not self._lingers:
            self._keep_alive = False
            self._write(self.way.cut_short(self._path, TOO_SLOW))
        else:
            self._abandon()
            self.transport.close()
