"""The forms that a value in ``bootgrant.toml`` can have: how each is written, checked and shown."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Final, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

from bootgrant.approval.policy import Network
from bootgrant.wire.secret import Secret

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)

_UNITS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class SettingsError(Exception):
    """A setting that cannot be used. The text names the file or variable, the key, and what to write."""


def as_written(value: object) -> str:
    """A value as the settings page shows it."""
    return ", ".join(str(item) for item in value) if isinstance(value, (list, tuple)) else str(value)


@dataclass(frozen=True, slots=True)
class Form(Generic[T_co]):
    """A form of values, named as the documentation names it.

    ``parse`` takes what the file or the environment says and the folder that relative paths start from, and raises
    ValueError. ``show`` is None where a value may hold a secret: it is never shown. The environment separates the items
    of an ``is_list`` with commas, and cannot set what is ``file_only``.
    """

    name: str
    parse: Callable[[object, Path], T_co]
    show: Callable[[object], str] | None = None
    is_list: bool = False
    file_only: bool = False


def did_you_mean(key: str, known: Collection[str]) -> str:
    """The end of an error about an unknown key: at most three keys that look like it, or nothing."""
    same_name = [each for each in known if each.rpartition(".")[2] == key.rpartition(".")[2]]
    near = list(dict.fromkeys([*same_name, *get_close_matches(key, known)]))[:3]
    return f"; did you mean {', '.join(near[:-1])}{' or ' if near[1:] else ''}{near[-1]}?" if near else ""


def text(value: object) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a string, found {value!r}")
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of strings that are not empty."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"expected a list of strings, found {value!r}")
    return tuple(value)


def seconds(value: object) -> float:
    """The seconds of a duration such as ``1h30m``."""
    written = text(value)
    if not _DURATION.fullmatch(written):
        raise ValueError(f"{written!r} is not a duration (write 90s, 10m, 4h or 1h30m)")
    return sum(float(count) * _UNITS[unit] for count, unit in _DURATION_PART.findall(written))


def network(value: object) -> Network:
    """An IP network."""
    try:
        return ipaddress.ip_network(text(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network ({error}); write 10.20.0.0/16 or fd00::/8") from None


def file(value: object, base: Path) -> Path:
    """A path; a relative one starts from ``base``."""
    return base / Path(text(value)).expanduser()


def _server_url(value: object) -> str:
    written = text(value)
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in parts.netloc or not _has_valid_port(parts):
        raise ValueError(f'{written!r} is not the URL of a server; write "https://boot.example.org" (scheme and host)')
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{written!r} must have only a scheme, a host and an optional port")
    return f"{parts.scheme}://{parts.netloc}"


def _has_valid_port(parts: SplitResult) -> bool:
    """Whether the port is absent or possible."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _listen(value: object) -> tuple[str, int]:
    written = text(value)
    host, colon, port = written.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(
            f'{written!r} is not an address and port; write "127.0.0.1:8080", "[::]:8080" or "0.0.0.0:8080"'
        )
    return host.strip("[]"), int(port)


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number of at least 1, found {value!r}")
    return value


def _whole_seconds(value: object) -> float:
    found = seconds(value)
    if found < 1 or found != round(found):
        raise ValueError(f'{value!r} must be whole seconds, at least "1s" (RFC 8628 section 3.2)')
    return found


def _database_url(value: object) -> Secret | None:
    """None for SQLite. The URL may contain a password, so no part of it is repeated in the error."""
    if value == "sqlite":
        return None
    if not isinstance(value, str) or not value.startswith(("postgresql://", "postgres://")):
        raise ValueError('neither "sqlite" nor a URL such as "postgresql://user@host:5432/database"')
    return Secret(value)


def _git_word(value: object) -> str:
    """A word on the command line of git, which must not be an option."""
    written = text(value)
    if written.startswith("-"):
        raise ValueError(f"{written!r} must not begin with a dash")
    return written


def _program(value: object) -> Path:
    path = Path(text(value))
    if not path.is_absolute():
        raise ValueError(f"{value!r} is not a full path; write /usr/local/bin/…")
    return path


def _plain(name: str, parse: Callable[[object], T], *, is_shown: bool = True) -> Form[T]:
    return Form(name, lambda value, _: parse(value), as_written if is_shown else None)


def _list_of(name: str, parse: Callable[[object], T]) -> Form[tuple[T, ...]]:
    return Form(name, lambda value, _: tuple(parse(item) for item in texts(value)), as_written, is_list=True)


def optional(form: Form[T]) -> Form[T | None]:
    """The same form, where an empty value is None."""
    return Form(f"{form.name}, or empty", lambda value, base: form.parse(value, base) if value else None, form.show)


def duration(least: str = "0s", most: str = "") -> Form[float]:
    """A duration in seconds between two bounds."""

    def parse(value: object) -> float:
        found = seconds(value)
        if found < seconds(least):
            raise ValueError(f"{value!r} is too short: it must be at least {least}")
        if found > (seconds(most) if most else math.inf):
            raise ValueError(f"{value!r} is too long: it must be at most {most}")
        return found

    return _plain("duration", parse)


def one_of(values: type[E]) -> Form[E]:
    """One of the values of an enum."""
    names = [str(member.value) for member in values]

    def parse(value: object) -> E:
        try:
            return values(value)
        except ValueError:
            raise ValueError(f"{value!r} is not one of {', '.join(names)}") from None

    return _plain(" or ".join(names), parse)


def tables(name: str, parse: Callable[[object, Path], T]) -> Form[T]:
    """A table or an array of tables, which only the file can set. It may hold secrets."""
    return Form(name, parse, file_only=True)


SERVER_URL: Final = _plain("URL", _server_url)
LISTEN: Final = _plain("address:port", _listen)
FOLDER: Final = Form("folder", file, as_written)
FILE: Final = Form("file", file, as_written)
DURATION: Final = duration()
WHOLE_SECONDS: Final = _plain("duration", _whole_seconds)
COUNT: Final = _plain("whole number", _count)
NETWORKS: Final = _list_of("list of networks", network)
WORDS: Final = _list_of("list of strings", text)
PROGRAMS: Final = _list_of("list of programs", _program)
DATABASE_URL: Final = _plain("sqlite or URL", _database_url, is_shown=False)
GIT_URL: Final = optional(_plain("string", _git_word, is_shown=False))
GIT_BRANCH: Final = _plain("string", lambda value: _git_word(value or "main"), is_shown=False)
GIT_FOLDER: Final = _plain("string, or empty", lambda value: text(value).strip("/") if value else "", is_shown=False)
