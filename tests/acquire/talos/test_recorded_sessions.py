"""``--compat talos`` matches the reference: every recorded session is replayed against the real command."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any, Final

import pytest

from support.recorded_session import Played, play
from support.vectors import vectors

_SESSIONS: Final = vectors("deviceflow")
_LONG: Final = 5.0
_WAITING: Final = re.compile(r"\[talos\] waiting for (?:URL )?variables: \[(.*)\]")
_EXPIRY: Final = re.compile(r"expires at (?!00:00:00)\d\d:\d\d:\d\d")


def _log(lines: list[str], masked: Any = str) -> list[str]:
    """The lines except those about waiting for variables, whose order is random in the reference."""
    kept = [line for line in lines if not _WAITING.fullmatch(line)]
    return [_EXPIRY.sub("expires at HH:MM:SS", re.sub(r"\d+->", "{local}->", masked(line))) for line in kept]


def _waits(lines: list[str]) -> list[set[str]]:
    return [set(match[1].split()) for line in lines if (match := _WAITING.fullmatch(line))]


def _gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def _faults(session: dict[str, Any], played: Played) -> list[str]:
    """The differences from the recording, one line each."""
    lines = played.masked(played.stderr.decode()).splitlines()
    recorded = [(e["method"], e["target"], e["headers"], e["body"]) for e in session["exchanges"]]
    seen = [(r.method, r.target, r.headers, r.body) for r in played.requests]
    pairs = [
        ("exit status", session["exit_code"], played.status),
        ("requests", recorded, seen),
        ("stdout size", session["stdout_bytes"], len(played.stdout)),
        ("stdout", session["stdout"], played.stdout[: len(session["stdout"])].decode("latin-1")),
        ("log", _log(session["log"]), _log(lines)),
        ("first wait", _waits(session["log"])[:1], _waits(lines)[:1]),
    ]
    faults = [f"{what}: recorded {a!r}, now {b!r}" for what, a, b in pairs if a != b]
    return faults + _time_faults(session, played)


def _time_faults(session: dict[str, Any], played: Played) -> list[str]:
    """The gaps between requests must match. Repeated downloads have up to a second of jitter on both sides."""
    recorded = _gaps([exchange["at_s"] for exchange in session["exchanges"]])
    now = _gaps([request.at for request in played.requests])
    retried = [exchange["method"] == "GET" for exchange in session["exchanges"]]
    faults = []
    for number, (before, after) in enumerate(zip(recorded, now, strict=False)):
        tolerance = 1.5 if retried[number] else 0.75
        if abs(before - after) > tolerance:
            faults.append(f"gap {number}: recorded {before:.2f} s, now {after:.2f} s")
    elapsed = played.ended - played.started
    if abs(elapsed - session["elapsed_s"]) > 2.5 + sum(retried):
        faults.append(f"elapsed: recorded {session['elapsed_s']} s, now {elapsed:.2f} s")
    return faults


def _replay(sessions: list[dict[str, Any]], folder: Path, at_once: int) -> dict[str, list[str]]:
    async def one(session: dict[str, Any], turn: asyncio.Semaphore) -> tuple[str, list[str]]:
        async with turn:
            root = folder / session["name"]
            root.mkdir()
            return session["name"], _faults(session, await play(session, root))

    async def every() -> dict[str, list[str]]:
        turn = asyncio.Semaphore(at_once)
        return dict(await asyncio.gather(*(one(session, turn) for session in sessions)))

    return {name: faults for name, faults in asyncio.run(every()).items() if faults}


def _replay_twice(sessions: list[dict[str, Any]], folder: Path, at_once: int) -> dict[str, list[str]]:
    """What differs twice: on a busy computer a request can be late once."""
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    differing = _replay(sessions, first, at_once)
    again = [session for session in sessions if session["name"] in differing]
    return _replay(again, second, at_once=3) if len(again) < len(sessions) / 2 else differing


@pytest.mark.timeout(300)
def test_the_short_sessions_match_the_recording(tmp_path: Path) -> None:
    short = [session for session in _SESSIONS if session["elapsed_s"] < _LONG]
    assert len(short) > 50
    assert _replay_twice(short, tmp_path, at_once=6) == {}


@pytest.mark.timeout(500)
def test_the_long_sessions_match_the_recording(tmp_path: Path) -> None:
    long = [session for session in _SESSIONS if session["elapsed_s"] >= _LONG]
    assert len(long) > 10
    assert _replay_twice(long, tmp_path, at_once=len(long)) == {}
