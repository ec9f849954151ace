"""What the worker asks the server for: a file in clear, a value that a program of the site prints, talosctl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bootgrant.configurations.frames import Blobs, Channel, Message
from bootgrant.configurations.plain import as_plain, from_plain
from bootgrant.configurations.verdicts import Verdict
from bootgrant.configurations.worker.guard import Guard
from bootgrant.machines.finish.redaction import secrets_of
from bootgrant.machines.finish.rendering import Content
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.machines.site.model import Entry, Schema
from bootgrant.machines.site.variables import Command, Minting
from bootgrant.machines.talos.composing import Composed, compose_plain
from bootgrant.machines.talos.documents import ComposeError, Part


class Helper:
    """The server, as the worker asks it. ports.origins.Decrypter and Programs."""

    def __init__(self, channel: Channel, guard: Guard) -> None:
        self.doubtful: frozenset[str] = frozenset()
        """The files that may be encrypted."""
        self._channel = channel
        self._guard = guard

    def ask(self, message: Message, blobs: Blobs = ()) -> tuple[dict[str, Any], list[bytes]]:
        """Raises SiteBroken as the server answers it."""
        with self._guard.talking():
            self._channel.send(message, blobs)
            answer, got = self._channel.receive()
        if "broken" in answer:
            raise from_plain(SiteBroken, answer["broken"])
        return answer, got

    def decrypted(self, path: str, raw: bytes) -> Content:
        clear = self.opened(path, raw)
        return Content(raw) if clear is None else Content(clear, secrets_of(clear))

    def opened(self, path: str, raw: bytes) -> bytes | None:
        if path not in self.doubtful:
            return None
        _, got = self.ask({"ask": "opened", "path": path})
        return got[0] if got else None

    def is_plain(self, path: str, raw: bytes) -> bool:
        return path not in self.doubtful

    def value(self, entry: Entry, variable: str, command: Command) -> str:
        answer, _ = self.ask({"ask": "value", "entry": entry.name, "variable": variable, "words": command.words})
        return str(answer["value"])

    def check(self, entry: Entry, variable: str, minting: Minting) -> None:
        message = {"ask": "may_mint", "entry": entry.name, "variable": variable, "minting": as_plain(minting)}
        self.ask(message)

    def known(self, name: str, key: str) -> Verdict | None:
        """The verdict that the server has for an entry that is made of this; None if it has none."""
        answer, _ = self.ask({"ask": "known", "entry": name, "key": key})
        return from_plain(Verdict, answer["verdict"]) if "verdict" in answer else None

    def compose(self, schema: Schema, parts: Sequence[Part], release: str) -> Composed:
        """Compose with the site's own composer, which knows only Talos. Raises ComposeError."""
        if schema is not Schema.TALOS:
            return compose_plain(parts, schema.value)
        names = [part.name for part in parts]
        message = {"ask": "compose", "names": names, "release": release}
        answer, got = self.ask(message, [part.content for part in parts])
        if "wrong" in answer:
            wrong = answer["wrong"]
            raise ComposeError(str(wrong["message"]), str(wrong["part"]), wrong["line"])
        return Composed(got[0], (), {})

    def validate(self, config: bytes) -> str:
        answer, _ = self.ask({"ask": "validate"}, [config])
        return str(answer["text"])
