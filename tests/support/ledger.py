"""Every answer that the machines and people of a storm got, and the promises that all of them must keep."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Life:
    """One request of one machine: its code, the decision (``confirmed`` by an answer), and what the machine got."""

    uuid: str
    user_code: str
    decided: str = ""
    confirmed: bool = False
    tokens: set[str] = field(default_factory=set)
    ended: str = ""
    configs: int = 0


class Ledger:
    """Written by the storm's thread; the thread that does the damage waits for news in it."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.answers: Counter[str] = Counter()
        self.heard = 0
        self.wrong: list[str] = []
        self._owners: dict[str, Life] = {}
        self._news = threading.Condition()

    def answered(self, kind: str) -> None:
        """Note an answer by its kind (``token 400``), or that there was none (``token broken``)."""
        with self._news:
            self.answers[kind] += 1
            self.heard += not kind.endswith("broken")
            self._news.notify_all()

    def wait_for_more(self, count: int, seconds: float = 60.0) -> None:
        """Return when ``count`` more answers have arrived."""
        with self._news:
            until = self.heard + count
            assert self._news.wait_for(lambda: self.heard >= until or bool(self.wrong), seconds), self.answers

    def began(self, life: Life) -> None:
        self.lives.append(life)

    def token(self, life: Life, token: str) -> None:
        """Note that a machine got ``token`` for its code."""
        life.tokens.add(token)
        if len(life.tokens) > 1:
            self.fail(f"{life.user_code} was redeemed twice: two different tokens")
        if self._owners.setdefault(token, life) is not life:
            self.fail(f"{life.user_code} has the token of {self._owners[token].user_code}")
        if life.decided != "approve":
            self.fail(f"{life.user_code} has a token, and nobody approved it ({life.decided or 'undecided'})")

    def config(self, life: Life, body: bytes) -> None:
        """Note that a machine got a configuration."""
        life.configs += 1
        if body != config_of(life.uuid):
            self.fail(f"{life.uuid} got another machine's configuration: {body[:60]!r}")

    def end(self, life: Life, error: str) -> None:
        """Note that a machine's flow ended with ``error``."""
        life.ended = error
        if error != "access_denied" or life.decided != "deny":
            self.fail(
                f"{life.user_code} ({life.decided or 'undecided'}, confirmed: {life.confirmed}) ended with {error}"
            )

    def fail(self, problem: str) -> None:
        with self._news:
            self.wrong.append(problem)
            self._news.notify_all()

    def check(self) -> str:
        """Check every promise for everything that was noted; return a summary."""
        assert not self.wrong, self.wrong[:5]
        approved = [life for life in self.lives if life.confirmed and life.decided == "approve"]
        denied = [life for life in self.lives if life.confirmed and life.decided == "deny"]
        without = [life for life in approved if not life.configs]
        assert not without, f"approved and without a configuration: {without[:3]}"
        assert not [life for life in denied if life.tokens or not life.ended]
        assert not [answer for answer in self.answers if answer.startswith("token 5")], self.answers
        return f"{len(approved)} approved and configured, {len(denied)} denied, {self.heard} answers"


def config_of(uuid: str) -> bytes:
    """Return the configuration of one machine, different from every other."""
    return (
        f"version: v1alpha1\nmachine:\n  type: worker\n  ca: {{crt: YQ==}}\n  token: {uuid}\ncluster: {{}}\n".encode()
    )
