"""The forms of values in ``bootgrant.toml``. Parsers raise ValueError for a value they cannot use."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from bootgrant.approval.policy import Network, parse_selector
from bootgrant.service.settings import urls
from bootgrant.service.settings.setting import Form, as_written
from bootgrant.wire.secret import Secret

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

SHORTEST_SECRET: Final = 16
"""Characters in a secret that others could try to guess."""
_UNITS: Final[Mapping[str, float]] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def text(value: object) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected a string in quotes")
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of strings that are not empty."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise ValueError("expected a list of strings in quotes")
    return tuple(value)


def seconds(value: object) -> float:
    """The seconds of a duration such as ``1h30m``."""
    written = text(value)
    if not _DURATION.fullmatch(written):
        raise ValueError(f"{written!r} is not a duration (write 90s, 10m, 4h or 1h30m)")
    found = sum(float(count) * _UNITS[unit] for count, unit in _DURATION_PART.findall(written))
    if not math.isfinite(found):
        raise ValueError("the duration is too long")
    return found


def name(value: object) -> str:
    """A name of letters, digits, ``-``, ``_`` and ``.``."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f'{value!r} is not a name; use letters, digits, "-", "_" and "."')
    return value


def network(value: object) -> Network:
    """An IP network."""
    try:
        return ipaddress.ip_network(text(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network ({error}); write 10.20.0.0/16 or fd00::/8") from None


def file(value: object, base: Path) -> Path:
    """A path; a relative one starts from ``base``."""
    try:
        return base / Path(text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{value!r} is not a path: {error}") from None


def unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read. The text of a UnicodeDecodeError shows bytes of it, so that is not repeated."""
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__


def first_line(path: Path, shortest: int) -> Secret:
    """The first line of a file without surrounding space, which must have ``shortest`` characters."""
    try:
        found = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {unreadable(error)}") from None
    if not found:
        raise ValueError(f"the first line of {path} is empty")
    if len(found) < shortest:
        raise ValueError(f"the secret in {path} is shorter than {shortest} characters; try `openssl rand -hex 32`")
    return Secret(found)


def _listen(value: object) -> tuple[str, int]:
    written = text(value)
    host, colon, port = written.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f'{written!r} is not an address and port; write "127.0.0.1:8080", "[::]:8080" or "0.0.0.0:80"')
    return host.strip("[]"), int(port)


def _count(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("expected a whole number of at least 1")
    return value


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ValueError("expected a number from 1 to 65535")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004  (a file's content)
    return value


def _switch(value: object) -> bool:
    if value not in ("true", "false", True, False):
        raise ValueError("expected true or false")
    return value in ("true", True)


def _whole_seconds(value: object) -> float:
    found = seconds(value)
    if found < 1 or found != round(found):
        raise ValueError(f'{value!r} must be whole seconds, at least "1s" (RFC 8628 section 3.2)')
    return found


def _database_url(value: object) -> Secret | None:
    """None for SQLite."""
    return None if value == "sqlite" else Secret(urls.postgres_url(value))


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


def shown(name: str, parse: Callable[[object], T]) -> Form[T]:
    """A form whose values the settings page shows, because they are never secrets."""
    return Form(name, lambda value, _: parse(value), as_written)


def hidden(name: str, parse: Callable[[object], T]) -> Form[T]:
    """A form whose values may be secrets."""
    return Form(name, lambda value, _: parse(value))


def list_of(name: str, parse: Callable[[object], T]) -> Form[tuple[T, ...]]:
    """A list, which is shown."""
    return Form(name, lambda value, _: tuple(parse(item) for item in texts(value)), as_written, is_list=True)


def one_or_more(parse: Callable[[str], T]) -> Form[tuple[T, ...]]:
    """A list of strings, or a single one without brackets; the list may be empty."""
    return hidden(
        "list", lambda value: tuple(parse(item) for item in texts([value] if isinstance(value, str) else value))
    )


def optional(form: Form[T]) -> Form[T | None]:
    """The same form, where an empty value is None."""
    return Form(f"{form.name}, or empty", lambda value, base: form.parse(value, base) if value else None, form.show)


def if_given(form: Form[T]) -> Form[T | None]:
    """The same form for a key that may be absent, with the default ``()``; an empty value is an error."""
    return Form(form.name, lambda value, base: None if value == () else form.parse(value, base))


def duration(least: str = "0s", most: str = "") -> Form[float]:
    """A duration in seconds between two bounds."""

    def parse(value: object) -> float:
        found = seconds(value)
        if found < seconds(least):
            raise ValueError(f"{value!r} is too short: it must be at least {least}")
        if found > (seconds(most) if most else math.inf):
            raise ValueError(f"{value!r} is too long: it must be at most {most}")
        return found

    return shown("duration", parse)


_SIZE_UNITS: Final[Mapping[str, int]] = {"MiB": 1 << 20, "GiB": 1 << 30}
_SIZE: Final = re.compile(r"(\d+) ?(MiB|GiB)")


def size(least: str, most: str) -> Form[int]:
    """A number of bytes, written as ``256MiB`` or ``1GiB``, with its limits."""

    def bytes_of(written: str) -> int:
        found = _SIZE.fullmatch(written)
        if found is None:
            raise ValueError(f"{written!r} is not a size (write 256MiB or 1GiB)")
        return int(found[1]) * _SIZE_UNITS[found[2]]

    def parse(value: object) -> int:
        given = bytes_of(text(value).strip())
        if not bytes_of(least) <= given <= bytes_of(most):
            raise ValueError(f"must be from {least} to {most}")
        return given

    return shown("size", parse)


def one_of(values: type[E]) -> Form[E]:
    """One of the values of an enum."""
    names = [str(member.value) for member in values]

    def parse(value: object) -> E:
        try:
            return values(value)
        except ValueError:
            raise ValueError(f"{value!r} is not one of {', '.join(names)}") from None

    return shown(" or ".join(names), parse)


def secret(shortest: int = 1) -> Form[Secret]:
    """A file whose first line is the secret, which is read at once."""
    return Form("file", lambda value, base: first_line(file(value, base), shortest))


TEXT: Final = hidden("string", text)
TEXTS: Final = one_or_more(text)
NAME: Final = hidden("name", name)
SWITCH: Final = shown("true or false", _switch)
FLAG: Final = hidden("true or false", _flag)
PORT: Final = hidden("port", _port)
SELECTORS: Final = one_or_more(parse_selector)
SERVER_URL: Final = Form("URL", lambda value, _: urls.server_url(text(value)), urls.shown_url)
LISTEN: Final = shown("address:port", _listen)
FOLDER: Final = Form("folder", file, as_written)
FILE: Final = Form("file", file, as_written)
OPTIONAL_FILE: Final = optional(FILE)
DURATION: Final = duration()
WHOLE_SECONDS: Final = shown("duration", _whole_seconds)
COUNT: Final = shown("whole number", _count)
NETWORKS: Final = list_of("list of networks", network)
WORDS: Final = list_of("list of strings", text)
PROGRAMS: Final = list_of("list of programs", _program)
DATABASE_URL: Final = hidden("sqlite or URL", _database_url)
GIT_URL: Final = optional(hidden("string", _git_word))
GIT_BRANCH: Final = hidden("string", lambda value: _git_word(value or "main"))
GIT_FOLDER: Final = hidden("string, or empty", lambda value: text(value).strip("/") if value else "")
