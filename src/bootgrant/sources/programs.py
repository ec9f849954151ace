"""The programs of a site: no shell, a time limit, limited output.

A program's output never appears in a message, because it may be secret. Of its errors, the first and the last line
do, unless they look like a secret.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootgrant.machines.finish.secret_looks import looks_secret
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.variables import Command, Minting
from bootgrant.wire.limits import CONFIG

_CHUNK = 65536
_OURS = "BOOTGRANT_"
_LONGEST_VALUE = 1 << 20
_AFTER_HANGING = 60.0
_NOT_SHOWN = "(a line that is not shown, because it has a secret)"


class ProgramFailed(Exception):
    """A program is missing, failed, took too long or printed too much. The message starts with its name.

    ``printed`` is its standard error if it ended with a failure, which may be secret.
    """

    def __init__(self, message: str, printed: bytes = b"") -> None:
        super().__init__(message)
        self.printed = printed


class SitePrograms:
    """ports.origins.Programs. Only ``allowed`` programs run: an author of configurations must not run others here."""

    def __init__(self, allowed: Sequence[Path] = (), seconds: float = 10.0) -> None:
        self._allowed = {str(path) for path in allowed}
        self._seconds = seconds
        self._hung_at: dict[str, float] = {}

    def value(self, entry: Entry, variable: str, command: Command) -> str:
        """Return what a program prints, without the final line break. Raises SiteBroken."""
        program = command.words[0]
        self._check(entry, variable, program)
        try:
            return self._printed(entry, command).decode("utf-8").rstrip("\r\n")
        except ProgramFailed as failed:
            reason = str(failed)
        except UnicodeDecodeError:
            reason = f"{program} printed something that is not UTF-8"
        message = f"the variable {variable} has no value: {reason}"
        raise SiteBroken([error("exec", message, entry.file, entry.line, entry.name)])

    def check(self, entry: Entry, variable: str, minting: Minting) -> None:
        """Raise SiteBroken unless the programs that make a value at delivery are listed."""
        for words in (minting.mint, minting.unmint):
            for program in words[:1]:
                self._check(entry, variable, program)

    def _check(self, entry: Entry, variable: str, program: str) -> None:
        if program not in self._allowed:
            known = ", ".join(sorted(self._allowed)) or "none"
            reason = f"runs {program}, which secrets.exec_programs does not list: add its full path (listed: {known})"
            raise SiteBroken([error("exec", f"the variable {variable} {reason}", entry.file, entry.line, entry.name)])

    def _printed(self, entry: Entry, command: Command) -> bytes:
        """Run the program, unless it just took too long: not every entry waits for it in turn. Raises ProgramFailed."""
        program, began = command.words[0], time.monotonic()
        if began < self._hung_at.get(program, -_AFTER_HANGING) + _AFTER_HANGING:
            raise ProgramFailed(f"{program} took too long for another entry a moment ago")
        try:
            return run_program(
                command.words, seconds=self._seconds, environment={"BOOTGRANT_ENTRY": entry.name}, most=_LONGEST_VALUE
            )
        except ProgramFailed:
            if time.monotonic() - began >= self._seconds:
                self._hung_at[program] = time.monotonic()
            raise


_running: set[subprocess.Popen[bytes]] = set()
_is_over = threading.Event()


def end_programs() -> None:
    """Kill the programs that run, and run no more: this process is ending and must not wait for them."""
    _is_over.set()
    for process in tuple(_running):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run_program(
    words: Sequence[str],
    *,
    seconds: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    most: int = CONFIG,
    open_files: Sequence[int] = (),
) -> bytes:
    """Run a program and return its standard output. Raises ProgramFailed.

    ``given`` is its standard input, ``open_files`` are descriptors it inherits, and ``most`` limits its output in
    bytes. Its environment is the server's, without the settings of bootgrant, some of which are secret, and with
    ``environment``.
    """
    if _is_over.is_set():
        raise ProgramFailed(f"{words[0]} is not run any more: the server is stopping")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    merged = {**inherited, **(environment or {})}
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=merged,
            start_new_session=True,
            pass_fds=open_files,
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "one of its arguments has a NUL byte"
        raise ProgramFailed(f"{words[0]} cannot be run: {why}") from None
    with process:
        _running.add(process)
        try:
            out, err = _talk(process, given, time.monotonic() + seconds, most)
            process.wait(1)
        except (ProgramFailed, subprocess.TimeoutExpired) as error:
            # This ends its children too, even if it has exited: nobody else has its process group before it is reaped.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise ProgramFailed(f"{words[0]} {error if isinstance(error, ProgramFailed) else 'did not exit'}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            _running.discard(process)
    if process.returncode != 0:
        raise ProgramFailed(f"{words[0]} exited with status {process.returncode}{_first_and_last_line(err)}", err)
    return out


def _talk(process: subprocess.Popen[bytes], given: bytes, until: float, most: int) -> tuple[bytes, bytes]:
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise ProgramFailed("has no pipes")
    got = {stdout.fileno(): bytearray(), stderr.fileno(): bytearray()}
    rest = memoryview(given)
    os.set_blocking(stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        for descriptor in got:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = until - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                raise ProgramFailed("took too long")
            for key, _ in ready:
                if key.fileobj is stdin:
                    rest = _write(key.fd, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                elif not _read(key.fd, got[key.fd], most):
                    selector.unregister(key.fd)
    return bytes(got[stdout.fileno()]), bytes(got[stderr.fileno()])


def _write(descriptor: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(descriptor, rest[:_CHUNK]) :] if rest else rest
    except BrokenPipeError:
        # It stopped reading. Its exit status says whether that is a failure.
        return rest[:0]


def _read(descriptor: int, into: bytearray, most: int) -> bool:
    data = os.read(descriptor, _CHUNK)
    into += data
    if len(into) > most:
        raise ProgramFailed(f"printed more than {most >> 10} KiB")
    return bool(data)


def _first_and_last_line(err: bytes) -> str:
    """Quote standard error: git and sops say what is wrong on the first line, a Python program on the last."""
    lines = [line for line in map(str.strip, err.decode("utf-8", "replace").splitlines()) if line]
    ends = lines if len(lines) < 2 else (lines[0], lines[-1])
    shown = (_NOT_SHOWN if looks_secret(line) else line for line in ends)
    quoted = " … ".join("".join(char if char.isprintable() else " " for char in line)[:200] for line in shown)
    return f": {quoted}" if quoted else ""
