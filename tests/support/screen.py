"""A console that records messages, and a clock on which a pause takes no time."""

from __future__ import annotations

import time

from bootgrant.acquire.console import Prompt


class Screen:
    """Records messages and prompts. Implements ``console.Console``."""

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
    """Starts at the machine's steady clock; a pause takes no time. Implements ``clock.Clock``."""

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
