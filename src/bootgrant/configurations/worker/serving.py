"""The worker's half of the conversation: it takes a piece of work, does it within its limits, and sends the outcome."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bootgrant.configurations.checking import findings_of
from bootgrant.configurations.finished_files import judged, shown
from bootgrant.configurations.frames import Blobs, Channel, ChannelClosed, Message
from bootgrant.configurations.limits import EntryLimits
from bootgrant.configurations.plain import as_plain, from_plain
from bootgrant.configurations.snapshot import Snapshot, Toolbox
from bootgrant.configurations.verdicts import Verdict
from bootgrant.configurations.worker.asking import Helper
from bootgrant.configurations.worker.guard import Guard
from bootgrant.configurations.worker.place import place_of, raised_in
from bootgrant.machines.finish.redaction import REDACTED, Label, preview
from bootgrant.machines.finish.rendering import in_python
from bootgrant.machines.finish.templates import compile_template
from bootgrant.machines.finish.validation import DocumentSchema, Rules
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import ComposeError, Part
from bootgrant.machines.talos.tables import RELEASES, talos_tables
from bootgrant.ports.origins import Tree
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret

_MOST: Final = 1 << 30
_PAGE: Final = 200
Answer = tuple[Message, Blobs]


def channel_on(end: socket.socket) -> Channel:
    """The worker's end: the server sends whole trees."""
    return Channel(end, _MOST)


def serve(channel: Channel, guard: Guard) -> None:
    """Do pieces of work, one after the other, until the server closes its end."""
    _warm_up()
    desk = Desk(Helper(channel, guard), guard)
    try:
        channel.send({"ready": True})
        while True:
            message, blobs = channel.receive()
            channel.send(*_outcome(desk, guard, message, blobs))
    except ChannelClosed:
        return


def _warm_up() -> None:
    """Do once what takes longer the first time, so that it does not count as work on an entry."""
    for release in RELEASES:
        talos_tables(release)
    compile_template("{% for x in variables.x %}{{ x | default('') }}{% endfor %}").render(
        "", {}, {"x": []}, MachineIdentity()
    )


def _outcome(desk: Desk, guard: Guard, message: Message, blobs: list[bytes]) -> Answer:
    try:
        with guard.limited(from_plain(EntryLimits, message["limits"])):
            return desk.do(message, blobs)
    except SiteBroken as broken:
        return {"broken": as_plain(broken)}, ()
    except MemoryError as error:
        file, line = place_of(raised_in(error), guard.notes.file)
        return {"exceeded": "memory", "file": file, "line": line}, ()
    except ChannelClosed:
        raise
    except Exception as error:  # noqa: BLE001  (one entry must not end the work on the others)
        return {"failed": _where(error), "file": guard.notes.file}, ()


def _where(error: BaseException) -> str:
    """Return the traceback for the log, without the text of the exception: it may repeat a secret value."""
    lines = traceback.format_list(traceback.extract_tb(error.__traceback__))
    return f"{''.join(lines)}{type(error).__name__}, its text is not logged because it may have a secret value"


class Desk:
    """What the worker has: its tools, and the revision that it works on. ``do`` may raise anything."""

    def __init__(self, helper: Helper, guard: Guard) -> None:
        self._helper = helper
        self._guard = guard
        self._tools = Toolbox(helper, helper, observe=self._observe)
        self._snapshot: Snapshot | None = None

    def do(self, message: Message, blobs: list[bytes]) -> Answer:
        works: Mapping[str, Callable[[Message, list[bytes]], Answer]] = {
            "tools": self._take_tools, "load": self._load, "entries": self._entries, "try": self._try,
            "finish": self._finish, "preview": self._preview, "check": self._check, "judge": self._judge,
            "show": self._show, "compose": self._compose,
        }  # fmt: skip
        return works[message["do"]](message, blobs)

    def _observe(self, file: str) -> None:
        self._guard.notes.file = file

    def _take_tools(self, message: Message, blobs: list[bytes]) -> Answer:
        schema = _schema(blobs[0]) if blobs else None
        program = self._helper.validate if message["has_program"] else None
        rules = Rules(schema, tables=message["tables"], program=program)
        compose = in_python if message["composes"] else self._helper.compose
        self._tools = replace(self._tools, rules=rules, compose=compose)
        return {}, ()

    def _load(self, message: Message, blobs: list[bytes]) -> Answer:
        files = dict(zip(message["paths"], blobs, strict=True))
        tree = Tree(files, message["revision"], tuple(message["finished"]), tuple(message["submodules"]))
        self._helper.doubtful = frozenset(message["doubtful"])
        self._snapshot = snapshot = Snapshot(tree, self._tools, tries_entries=False)
        snapshot.verdicts.update({name: from_plain(Verdict, plain) for name, plain in message["verdicts"].items()})
        return {"entries": len(snapshot.entries), "findings": as_plain(snapshot.findings)}, ()

    def _entries(self, message: Message, _blobs: list[bytes]) -> Answer:
        """Some of the entries, without the values of their variables: the server does not need them."""
        start = message["start"]
        entries = list(self._loaded().entries.values())[start : start + _PAGE]
        return {"entries": [as_plain(replace(entry, variables={})) for entry in entries]}, ()

    def _try(self, message: Message, _blobs: list[bytes]) -> Answer:
        """The verdict of an entry."""
        name, snapshot = message["name"], self._loaded()
        has_before = message["has_before"]

        def known(key: str) -> Verdict | None:
            self._guard.notes.key = key
            return self._helper.known(name, key) if has_before else None

        verdict = snapshot.verdicts[name] = snapshot.try_entry(name, known)
        return {"verdict": as_plain(verdict), "key": snapshot.keys.get(name, "")}, ()

    def _finish(self, message: Message, _blobs: list[bytes]) -> Answer:
        values = {str(variable): Secret(str(value)) for variable, value in message["made"].items()}
        identity = from_plain(MachineIdentity, message["identity"])
        made = self._loaded().finish(message["name"], identity, values, warns=message["warns"])
        facts = {
            "machine_type": made.machine_type,
            "uses_machine": made.uses_machine,
            "warnings": as_plain(made.warnings),
            "mints": as_plain(made.mints),
            "precious": as_plain(made.precious),
        }
        return facts, [made.config]

    def _preview(self, message: Message, _blobs: list[bytes]) -> Answer:
        made = self._loaded().finish(message["name"], from_plain(MachineIdentity, message["identity"]))
        known = None if message["reveal"] else made.secrets
        origins = {} if message["plain"] else made.origins
        label = _label(message["label_key"])
        text = preview(made.parsed, known, origins, label, schema=made.schema, release=made.release)
        return {"warnings": as_plain(made.warnings)}, [text.encode("utf-8", "surrogatepass")]

    def _check(self, message: Message, _blobs: list[bytes]) -> Answer:
        allowed = [ipaddress.ip_network(text) for text in message["networks"]]
        return {"findings": as_plain(findings_of(self._loaded(), allowed))}, ()

    def _judge(self, message: Message, blobs: list[bytes]) -> Answer:
        """Validate a finished configuration."""
        return {"judgement": as_plain(judged(str(message["name"]), blobs[0], self._tools.rules))}, ()

    def _show(self, _message: Message, blobs: list[bytes]) -> Answer:
        """A finished configuration as people may see it."""
        return {}, [shown(blobs[0]).encode("utf-8", "surrogatepass")]

    def _compose(self, message: Message, blobs: list[bytes]) -> Answer:
        """Apply patches to a base."""
        parts = [Part(name, content) for name, content in zip(message["names"], blobs, strict=True)]
        try:
            made = self._tools.compose(Schema.TALOS, parts, str(message["release"]))
        except ComposeError as wrong:
            return {"wrong": {"message": wrong.message, "part": wrong.part, "line": wrong.line}}, ()
        return {"surprises": as_plain(made.surprises)}, [made.config]

    def _loaded(self) -> Snapshot:
        if self._snapshot is None:
            raise RuntimeError("no revision is loaded")
        return self._snapshot


def _label(key: str) -> Label:
    """Return what replaces a secret: with a key, a word that differs between secrets and gives none away."""
    if not key:
        return lambda _: REDACTED
    secret_key = bytes.fromhex(key)

    def label(secret: str) -> str:
        digest = hmac.new(secret_key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"<redacted {digest.hexdigest()[:6]}>"

    return label


def _schema(content: bytes) -> DocumentSchema:
    from bootgrant.machines.finish.talos_schema import TalosSchema

    return TalosSchema(content)
