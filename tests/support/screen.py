"""A console and a clock for tests of the client: what was said, and time that passes when it is waited for."""

from __future__ import annotations

import time

from bootgrant.acquire.console import Prompt


class Screen:
    """Keeps what it is told. Implements ``console.Console``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.prompts: list[Prompt] = []
        self.counting = False

    def info(self, line: str) -> None:
        self.lines.append(line)

    def warning(self, line: str) -> None:
        self.lines.append(line)
        self.warnings.append(line)

    def error(self, line: str) -> None:
        self.errors.append(line)

    def prompt(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        self.counting = True

    def prompt_over(self) -> None:
        self.counting = False

    def close(self) -> None:
        self.counting = False


class QuickClock:
    """Implements ``clock.Clock``: starts at the machine's own steady clock, and a pause costs no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._ahead = 0.0

    def steady(self) -> float:
        return time.monotonic() + self._ahead

    def unix(self) -> float:
        return 1_800_000_000.0 + self._ahead

    def sleep_until(self, moment: float) -> None:
        pause = max(0.0, moment - self.steady())
        self.slept.append(pause)
        self._ahead += pause

    def chance(self) -> float:
        return 0.5
