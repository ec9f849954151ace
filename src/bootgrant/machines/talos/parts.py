"""What goes into the composer and what comes out of it, and its one error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from bootgrant.machines.yaml.reading import Node, YamlError, read_yaml


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a layer, already decrypted and rendered; ``name`` is the path shown to people."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Surprise:
    """A patch that does what its author hardly meant: ``message`` says what it does and what to write instead.

    ``path`` is ``document/path.of.value``, as in ``Composed.origins``.
    """

    part: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Composed:
    """``config`` is what would be served. ``origins``: ``document/path.of.value`` to the name of the part it is from.

    The document is ``v1alpha1`` for the one without a kind, else the kind, with ``:name`` where it has a name; a list
    element is ``path[0]``. Origins are worked out when they are first looked at.
    """

    config: bytes = field(repr=False)
    surprises: tuple[Surprise, ...]
    origins: Mapping[str, str]


class Reason(Enum):
    """Which kind of trouble a ComposeError is; stable, for programs."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_DOCUMENT = "unknown-document"
    UNKNOWN_KEY = "unknown-key"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    DELETE = "delete"
    MERGE = "merge"
    JSON_PATCH = "json-patch"
    NOT_A_PATCH = "not-a-patch"
    EMPTY = "empty"


class ComposeError(Exception):
    """Parts that make no configuration. ``line`` counts from 1 in ``part``; ``message`` says what to do."""

    def __init__(self, message: str, part: str = "", line: int | None = None, reason: Reason = Reason.UNREADABLE):
        super().__init__(f"{part}{f', line {line}' if line and part else ''}: {message}" if part else message)
        self.message = message
        self.part = part
        self.line = line
        self.reason = reason


def read_documents(part: Part) -> list[Node | None]:
    """Return the YAML documents of a part, None for each one that is null. Raises ComposeError."""
    try:
        return read_yaml(part.content)
    except YamlError as error:
        raise unreadable(part, error) from None


def unreadable(part: Part, error: YamlError) -> ComposeError:
    """Return the ComposeError for a part that is not YAML or is too large."""
    reason = Reason.TOO_LARGE if error.is_too_large else Reason.UNREADABLE
    return ComposeError(error.message, part.name, error.line, reason)
