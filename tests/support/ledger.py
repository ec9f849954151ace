"""Every answer that the machines and the people of a storm ever got, and what must be true of all of them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Life:
    """One request of one machine: its codes, what a person was told about it, and what the machine was told."""

    uuid: str
    user_code: str
    decided: str = ""
    told: bool = False
    tokens: set[str] = field(default_factory=set)
    ended: str = ""
    configs: int = 0


class Ledger:
    """Written by the storm's thread, waited for by the thread that does the damage."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.answers: Counter[str] = Counter()
        self.heard = 0
        self.wrong: list[str] = []
        self._owners: dict[str, Life] = {}
        self._news = threading.Condition()

    def answered(self, what: str) -> None:
        """Note an answer, by its kind (``token 400``), or that none came (``token broken``)."""
        with self._news:
            self.answers[what] += 1
            self.heard += not what.endswith("broken")
            self._news.notify_all()

    def wait_for_more(self, count: int, seconds: float = 60.0) -> None:
        """Return when ``count`` more answers have come."""
        with self._news:
            until = self.heard + count
            assert self._news.wait_for(lambda: self.heard >= until or bool(self.wrong), seconds), self.answers

    def began(self, life: Life) -> None:
        self.lives.append(life)

    def token(self, life: Life, token: str) -> None:
        """A machine was given ``token`` for its code."""
        life.tokens.add(token)
        if len(life.tokens) > 1:
            self.fail(f"{life.user_code} was redeemed twice: two different tokens")
        if self._owners.setdefault(token, life) is not life:
            self.fail(f"{life.user_code} has the token of {self._owners[token].user_code}")
        if life.decided != "approve":
            self.fail(f"{life.user_code} has a token, and nobody approved it ({life.decided or 'undecided'})")

    def config(self, life: Life, body: bytes) -> None:
        """A machine was given a configuration."""
        life.configs += 1
        if body != config_of(life.uuid):
            self.fail(f"{life.uuid} was given another machine's configuration: {body[:60]!r}")

    def end(self, life: Life, error: str) -> None:
        """A machine was told that its code is over."""
        life.ended = error
        if error != "access_denied" or life.decided != "deny":
            self.fail(f"{life.user_code} ({life.decided or 'undecided'}, told: {life.told}) ended with {error}")

    def fail(self, what: str) -> None:
        with self._news:
            self.wrong.append(what)
            self._news.notify_all()

    def check(self) -> str:
        """Every promise, over all that was recorded; a line that says how much that was."""
        assert not self.wrong, self.wrong[:5]
        approved = [life for life in self.lives if life.told and life.decided == "approve"]
        denied = [life for life in self.lives if life.told and life.decided == "deny"]
        without = [life for life in approved if not life.configs]
        assert not without, f"approved and without a configuration: {without[:3]}"
        assert not [life for life in denied if life.tokens or not life.ended]
        assert not [answer for answer in self.answers if answer.startswith("token 5")], self.answers
        return f"{len(approved)} approved and configured, {len(denied)} denied, {self.heard} answers"


def config_of(uuid: str) -> bytes:
    """The configuration of one machine, unlike every other."""
    return f"version: v1alpha1\nmachine:\n  type: worker\n  token: {uuid}\n".encode()
