"""Running a program of the site: no shell, a time limit, bounded output, nothing of it in a message but its name."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from bootgrant.wire.limits import CONFIG

_CHUNK = 65536
_OURS = "BOOTGRANT_"


class ProgramFailed(Exception):
    """It is not there, ended badly, took too long or printed too much. What it printed is not repeated: it may be
    secret; the first and the last line of its errors are."""


def run_program(
    words: Sequence[str],
    *,
    seconds: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
    most: int = CONFIG,
    open_files: Sequence[int] = (),
) -> bytes:
    """What the program prints on standard output when it gets ``given`` on standard input. Raises ProgramFailed.

    ``open_files`` are descriptors that it gets too. It has the server's environment without the variables of this
    program, because secrets are among them, and with ``environment``.
    """
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
        why = error.strerror if isinstance(error, OSError) else "its words cannot be passed on"
        raise ProgramFailed(f"{words[0]} cannot be run: {why}") from None
    with process:
        try:
            out, err = _talk(process, given, time.monotonic() + seconds, most)
            process.wait(1)
        except (ProgramFailed, subprocess.TimeoutExpired) as error:
            # What it started goes too, also when it has ended itself: it was not waited for, so the group is still its.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise ProgramFailed(f"{words[0]} {error if isinstance(error, ProgramFailed) else 'did not end'}") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        raise ProgramFailed(f"{words[0]} ended with status {process.returncode}{_ends_of(err)}")
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
                    rest = _written(key.fd, rest)
                    if not rest:
                        selector.unregister(stdin)
                        stdin.close()
                elif not _taken(key.fd, got[key.fd], most):
                    selector.unregister(key.fd)
    return bytes(got[stdout.fileno()]), bytes(got[stderr.fileno()])


def _written(descriptor: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(descriptor, rest[:_CHUNK]) :] if rest else rest
    except BrokenPipeError:
        # It does not want to read more; whether that is well, its exit status says.
        return rest[:0]


def _taken(descriptor: int, into: bytearray, most: int) -> bool:
    data = os.read(descriptor, _CHUNK)
    into += data
    if len(into) > most:
        raise ProgramFailed(f"printed more than {most >> 10} KiB")
    return bool(data)


def _ends_of(err: bytes) -> str:
    """The first and the last line: git and sops say first what is wrong, a Python program last."""
    lines = [line for line in map(str.strip, err.decode("utf-8", "replace").splitlines()) if line]
    ends = lines if len(lines) < 2 else (lines[0], lines[-1])
    told = " … ".join("".join(char if char.isprintable() else " " for char in line)[:200] for line in ends)
    return f": {told}" if told else ""
