"""Evidence from a command of the site, which reads the claim as JSON and prints checks as JSON.

The command runs without a shell, in its own process group, with a small environment. Its time and its output are
limited. If it fails, the evidence is "unknown".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.evidence import DETAIL_LENGTH, Check, Verdict
from bootgrant.ports.evidence import Claim
from bootgrant.wire.identity import MachineIdentity

log = logging.getLogger("bootgrant.evidence")

OUTPUT: Final = 64 * 1024
"""The most bytes that a command may print."""

_MOST_CHECKS: Final = 20
_AT_ONCE: Final = 8
_ENVIRONMENT: Final = ("PATH", "HOME", "LANG", "TZ")
_REAP_SECONDS: Final = 2.0


class _Unusable(Exception):
    """The command gave no usable evidence. The text says why, and follows its name."""


@dataclass(slots=True)
class CommandEvidence:
    """ports.evidence.EvidenceSource. ``command`` is the program with its arguments; ``limit`` is in seconds."""

    name: str
    command: tuple[str, ...]
    limit: float
    keeps: float = 600.0
    is_quick: bool = False
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def check(self, claim: Claim) -> Sequence[Check]:
        """Run the command and return its checks; one unknown check if they cannot be used."""
        async with self._turns:
            try:
                return read_answer(self.name, await self._run(question(claim)))
            except _Unusable as error:
                log.warning("the evidence command %s %s", self.name, error)
                return (Check(self.name, Verdict.UNKNOWN, _one_line(str(error))),)

    async def _run(self, given: bytes) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise _Unusable(f"cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self.limit), asyncio.TaskGroup() as talk:
                printed = talk.create_task(_bounded(process.stdout))
                complained = talk.create_task(_bounded(process.stderr))
                talk.create_task(_write(process, given))
                status = await process.wait()
        except TimeoutError:
            raise _Unusable(f"did not answer in {self.limit:g} s") from None
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            await _end(process)
        if status != 0:
            last = complained.result().decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise _Unusable(f"failed with status {status}{': ' + last if last else ''}")
        return printed.result()


def question(claim: Claim) -> bytes:
    """Return the standard input of the command: the claim, with the entry that the machine would get."""
    grant, entry = claim.grant, claim.entry
    members: Mapping[str, object] = {
        "grant": grant.grant_id,
        "machine": grant.identity.given(),
        "address": grant.source_address,
        "asked_at": grant.opened_at,
        "entry": None
        if entry is None
        else {"name": entry.name, "labels": dict(entry.labels), "matched": entry.matched},
    }
    return json.dumps(members).encode() + b"\n"


def read_answer(name: str, answer: bytes) -> tuple[Check, ...]:
    """Parse ``{"evidence": [{"verdict": "match", "detail": "…"}]}``. Raises _Unusable for anything else.

    A row may have ``about``, a list of the variables that it compared, such as ``["serial"]``.
    """
    try:
        members = json.loads(answer)
        rows = members["evidence"]
        checks = tuple(Check(name, Verdict(row["verdict"]), _one_line(row["detail"]), _about(row)) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        expected = '{"evidence": [{"verdict": "match|mismatch|unknown", "detail": "…"}]}'
        raise _Unusable(f"did not print {expected}") from error
    if not 1 <= len(checks) <= _MOST_CHECKS:
        raise _Unusable(f"printed {len(checks)} checks; it must print 1 to {_MOST_CHECKS}")
    return checks


def _about(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the variables that a row of the answer is about. Names that are not known yet are left out."""
    given = row.get("about", [])
    if not isinstance(given, list):
        raise TypeError("about is not a list")
    return tuple(name for name in MachineIdentity.STRONG if name in given)


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    """Read a whole stream. Raises _Unusable if it is too long."""
    if stream is None:
        return b""
    parts, size = [], 0
    while part := await stream.read(8192):
        size += len(part)
        if size > OUTPUT:
            raise _Unusable(f"printed more than {OUTPUT >> 10} KiB")
        parts.append(part)
    return b"".join(parts)


async def _write(process: asyncio.subprocess.Process, given: bytes) -> None:
    # A command that does not need its input may have closed it.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # uvloop closes the pipe of a command that has ended, and raises RuntimeError for a write to it.
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(given)
            await process.stdin.drain()
            process.stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the command and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REAP_SECONDS):
            # Reading the pipes to their end closes them.
            await asyncio.gather(_drop(process.stdout), _drop(process.stderr), process.wait())


async def _drop(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(65536):
        continue


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:DETAIL_LENGTH]
