"""Keeps one server running behind sockets that stay open, so that no machine's connection is ever refused.

A server that dies is started again at once, or after a growing pause if it had not served yet. SIGHUP and
`bootgrant reload` start the next server next to the running one; when it has read its settings, the running one ends
and the next one serves. If it cannot, the running one keeps serving. SIGTERM and SIGINT end everything.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from bootgrant.service.supervisor import messages
from bootgrant.service.supervisor.child import Child, Stage
from bootgrant.service.supervisor.lines import Lines
from bootgrant.service.supervisor.places import Places, Unix, place_of
from bootgrant.service.supervisor.reloads import Reloads
from bootgrant.service.supervisor.systemd import ServiceManager

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0
"""Seconds before the next start after a server that died before it served: the second time in a row the first pause,
then doubled each time up to the longest."""
_STOP_SECONDS: Final = 30.0
_PREPARE_SECONDS: Final = 60.0
_AFTER_ERROR: Final = 1.0
_NEVER: Final = float("inf")


class Supervisor:
    """``arguments`` are those of `bootgrant serve`.

    ``_current`` is the server that has the database, or is about to open it; ``_next`` is the one that follows.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._lines = Lines()
        self._manager = ServiceManager()
        self._selector = selectors.DefaultSelector()
        self._places = Places()
        self._reloads = Reloads(self._selector)
        self._current: Child | None = None
        self._next: Child | None = None
        self._has_served = False
        self._failures = 0
        self._start_at = _NEVER
        self._status: int | None = None
        self._is_stopping = False
        self._has_terminal = _terminal_is_there()

    def run(self) -> int:
        """Supervise until a signal ends it, or the first server refuses to start. Return the exit status."""
        self._listen_to_signals()
        self._start_next()
        while self._status is None or self._children():
            for key, _ in self._selector.select(max(0.0, self._next_deadline() - time.monotonic())):
                self._survive(key.data)
            self._survive(self._meet_deadlines)
        self._places.keep_only(set())
        return self._status or 0

    def _survive(self, step: Callable[[], None]) -> None:
        """Take a step. The sockets, and with them the codes of waiting machines, are worth more than a clean end."""
        try:
            step()
        except Exception:  # noqa: BLE001
            self._lines.error(traceback.format_exc())
            # An error that comes again must not fill the disk.
            time.sleep(_AFTER_ERROR)

    def _children(self) -> list[Child]:
        return [child for child in (self._current, self._next) if child is not None]

    def _listen_to_signals(self) -> None:
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            # nohup(1) ignores SIGHUP, and so it stays.
            if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:
                signal.signal(number, lambda *_: None)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._take_signals(woken))

    def _take_signals(self, woken: socket.socket) -> None:
        numbers = set(woken.recv(4096))
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        if signal.SIGHUP in numbers:
            if self._has_terminal and not _terminal_is_there():
                self._stop()
            else:
                self._reload()
        self._collect()

    def _stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        self._status = 0
        self._start_at = _NEVER
        self._manager.tell("STOPPING=1")
        # A connection from here on fails at once, instead of waiting for an answer.
        self._reloads.close()
        self._places.keep_only(set())
        if self._next is not None:
            self._next.kill()
        if self._current is not None:
            self._current.stop(_STOP_SECONDS)

    # Starting.

    def _start_next(self) -> None:
        self._start_at = _NEVER
        try:
            child = self._next = Child(self._arguments)
        except OSError as error:
            # While another version is being installed, the interpreter may be missing.
            self._failed(f"{error.filename or 'the interpreter'} cannot be run: {error.strerror}")
            return
        child.end_by = time.monotonic() + _PREPARE_SECONDS
        self._selector.register(child.channel, selectors.EVENT_READ, lambda: self._listen(child))

    def _listen(self, child: Child) -> None:
        if child.channel.fileno() < 0:
            # Its end was seen first.
            return
        try:
            received = messages.receive(child.channel)
        except OSError:
            received = None
        if received is None:
            # It closed its end: it is ending, and its exit status follows.
            self._selector.unregister(child.channel)
            child.channel.close()
            return
        message, descriptors = received
        for descriptor in descriptors:
            os.close(descriptor)
        match message.get("say"):
            case "prepared":
                self._lines.form = str(message.get("log", self._lines.form))
                child.stage = Stage.PREPARED
                self._take_over()
            case "open":
                self._open(child, message)
            case "serving":
                self._serves(child, message)
            case "refused":
                child.refusal = str(message.get("reason", ""))

    def _take_over(self) -> None:
        """Let the next server start if it is prepared and nobody is in its way; ask the current one to end."""
        child = self._next
        if self._is_stopping or child is None or child.stage is not Stage.PREPARED:
            return
        child.end_by = _NEVER
        if self._current is not None:
            self._current.stop(_STOP_SECONDS)
            return
        self._current, self._next = child, None
        child.go()

    def _open(self, child: Child, message: messages.Message) -> None:
        try:
            place = place_of(message["place"])
            # The server before this one has ended, so a place of its settings may make room for one of the new.
            listener = self._places.listener(place, instead_of=self._places.opened - child.wanted)
        except (OSError, ValueError, KeyError) as error:
            number = getattr(error, "errno", None) or 0
            child.say({"problem": os.strerror(number) if number else str(error), "errno": number})
            return
        child.wanted.add(place)
        child.say({"opened": True}, [listener])

    def _serves(self, child: Child, message: messages.Message) -> None:
        child.stage = Stage.SERVING
        self._has_served = True
        self._failures = 0
        control = Unix(str(message["control"]))
        child.wanted.add(control)
        try:
            self._reloads.listen(self._places.listener(control), self._reload)
        except OSError as error:
            self._lines.error(f"bootgrant reload is not possible: {control.path} cannot be created: {error.strerror}")
        self._places.keep_only(child.wanted)
        self._manager.tell("READY=1")
        self._reloads.answer(None)
        self._reload_again()

    # Replacing.

    def _reload(self) -> None:
        if self._is_stopping:
            return
        if self._next is not None:
            # It may have read the settings before they were changed.
            self._reloads.again = True
            return
        self._lines.info("starting the next server; the running one keeps serving until the next one is prepared")
        self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._start_next()

    # Ending.

    def _collect(self) -> None:
        """Take the exit status of every process that ended. As process 1 of a container, strangers' too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._children():
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, status: int) -> None:
        # What it said last may still be in the channel.
        while child.channel.fileno() >= 0:
            self._listen(child)
        was_next = child is self._next
        if was_next:
            self._next = None
        else:
            self._current = None
        if self._is_stopping:
            # A server that has no signal handlers yet is ended by the signal itself.
            self._status = self._status or (0 if was_next or status in (0, -signal.SIGTERM) else 1)
            return
        how = child.refusal or _how(status)
        if child.refusal and not self._has_served and self._next is None:
            # It has said why. A first start that cannot work must not look like a running service.
            self._status = status or 1
        elif not was_next and self._next is not None:
            if not child.is_stopping:
                self._lines.error(f"the server ended ({how}); the next one is already being prepared")
            self._take_over()
        elif child.stage is Stage.SERVING:
            self._lines.error(f"the server ended ({how}): starting it again at once")
            self._start_at = time.monotonic()
        else:
            self._failed(how)
        self._reload_again()

    def _failed(self, reason: str) -> None:
        """Note that a server could not start: keep the current one, or try again after a pause."""
        if self._current is not None:
            message = f"the next server did not start, so the running one keeps serving: {reason}"
            self._reloads.answer(message)
            self._lines.error(message)
            self._manager.tell("READY=1")
            return
        # The next attempt reads the settings anyway.
        self._reloads.again = False
        self._reloads.answer(f"no server runs: the next one did not start, and is started again and again: {reason}")
        self._failures += 1
        pause = 0.0 if self._failures == 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 2, 16))
        self._lines.error(f"the server ended before it served ({reason}): starting it again in {pause:g} s")
        self._start_at = time.monotonic() + pause

    def _reload_again(self) -> None:
        if self._reloads.again and self._next is None and self._current is not None:
            self._reloads.again = False
            self._reload()

    # Deadlines.

    def _next_deadline(self) -> float:
        deadline = min([self._start_at, *(child.end_by for child in self._children())])
        # A selector takes no infinite time.
        return min(deadline, time.monotonic() + 3600.0)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        if self._start_at <= now:
            self._start_next()
        for child in self._children():
            if child.end_by <= now:
                self._lines.error(f"the server {child.pid} did not do in time what it was asked: killing it")
                child.kill()


def _how(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"


def _terminal_is_there() -> bool:
    """Return whether this process has a terminal. A closed one ends a program, and sends the same SIGHUP as `kill`."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
