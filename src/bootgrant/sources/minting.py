"""The site's programs that make a value for one delivery, and take it back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bootgrant.ports.minting import MintFailed
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.wire.secret import Secret

_LONGEST: Final = 1 << 16
_PROGRAM_ID = re.compile(r"[!-~]{0,256}")


class SiteMintPrograms:
    """ports.minting.MintPrograms: only the ``allowed`` programs run, for at most ``seconds``."""

    def __init__(self, allowed: Sequence[Path], seconds: float) -> None:
        self._allowed = frozenset(str(path) for path in allowed)
        self._seconds = seconds

    def mint(self, words: Sequence[str], given: bytes) -> tuple[Secret, str]:
        printed = self._printed(words, given)
        try:
            text = printed.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise MintFailed(f"{words[0]} printed something that is not UTF-8") from None
        value, program_id = _answer(text)
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise MintFailed(f"{words[0]} printed half of a surrogate pair (\\ud800 to \\udfff): print the character")
        if not value:
            raise MintFailed(f'{words[0]} printed no value: print the value, or {{"value": …, "id": …}}')
        if not _PROGRAM_ID.fullmatch(program_id):
            raise MintFailed(f"the id that {words[0]} printed must be at most 256 characters without blanks")
        return Secret(value), program_id

    def unmint(self, words: Sequence[str], given: bytes) -> None:
        self._printed(words, given)

    def _printed(self, words: Sequence[str], given: bytes) -> bytes:
        if words[0] not in self._allowed:
            raise MintFailed(f"secrets.exec_programs does not list {words[0]}: add its full path")
        try:
            return run_program(words, seconds=self._seconds, given=given, most=_LONGEST)
        except ProgramFailed as failed:
            raise MintFailed(str(failed)) from None


def _answer(text: str) -> tuple[str, str]:
    """Read what a program printed: an object with ``value`` and ``id``, or else the value itself."""
    if text.startswith("{"):
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            return text, ""
        if isinstance(answer, dict) and isinstance(answer.get("value"), str):
            return answer["value"], str(answer.get("id", ""))
    return text, ""
