"""URLs in settings. They may hold passwords, so no error repeats the part of a URL where one could be."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from bootgrant.wire.origin import ascii_host

_CHARACTER: Final = r"(?:[^\x00-\x20\x7f\ud800-\udfff/?#\[\]@:,%]|%[0-9A-Fa-f]{2})"
_HOST: Final = rf"(?:\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z]+)?\]|{_CHARACTER}*)(?::[0-9]*)?"
_PARAMETER: Final = r"[^\x00-\x20\x7f\ud800-\udfff#@=&]+=[^\x00-\x20\x7f\ud800-\udfff#@=&]*"
_POSTGRES: Final = re.compile(
    rf"postgres(?:ql)?://(?:{_CHARACTER}*(?P<password>:(?:{_CHARACTER}|[:,])*)?@)?{_HOST}(?:,{_HOST})*"
    rf"(?:/(?:{_CHARACTER}|[:,])*)?(?:\?(?P<query>{_PARAMETER}(?:&{_PARAMETER})*)?)?"
)
"""What libpq reads, without what it reads in another way than most people mean it: it splits a URL at the first
reserved character, so a part of a password becomes a host, a port or a database."""


def postgres_url(written: object) -> str:
    """Return a URL of PostgreSQL that can be read in one way only. Raises ValueError, which repeats no part of it."""
    if not isinstance(written, str) or not written.startswith(("postgresql://", "postgres://")):
        raise ValueError('neither "sqlite" nor a URL such as "postgresql://user@host:5432/database"')
    if not _POSTGRES.fullmatch(written):
        raise ValueError(
            'not a URL such as "postgresql://user@host:5432/database". A space and each of / ? # [ ] @ : , % in the '
            "user or the password must be percent-encoded (/ is %2F, @ is %40); or use database.password_file"
        )
    return written


def has_password(written: str) -> bool:
    """Return whether a URL that ``postgres_url`` accepts holds a password."""
    found = _POSTGRES.fullmatch(written)
    return found is not None and (found["password"] is not None or "password=" in unquote(found["query"] or ""))


def split(written: str) -> SplitResult:
    """Return the parts of a URL, whose port can be read. Raises ValueError, which repeats no part of it."""
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    # A password with a raw / or # that begins with digits looks like a port.
    is_cut = port is not None and "@" not in parts.netloc and "@" in written
    if port == 0 or is_cut or re.search(r"[\s\x00-\x1f\x7f]", written):
        raise ValueError("not a URL")
    return parts


def quoted(written: str) -> str:
    """Return the URL in quotes for an error, or only "the URL" if there may be a secret in it."""
    return "the URL" if {"@", "?"} & set(written) else repr(written)


def shown_url(written: object) -> str:
    """Return the URL of a server for the settings page: as it is written, and as it is used if that differs."""
    try:
        used = server_url(str(written))
    except ValueError:
        return str(written)
    return used if used == str(written).rstrip("/") else f"{used} (written as {written})"


def server_url(written: str) -> str:
    """Return scheme, host and port of a server, as typed, but with a host of other alphabets in its ASCII form, and
    without a dot at its end: browsers allow no passkeys there.

    Raises ValueError.
    """
    try:
        parts = split(written)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f'{quoted(written)} is not the URL of a server; write "https://boot.example.org" (scheme and host)'
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{quoted(written)} must have only a scheme, a host and an optional port")
    try:
        host = ascii_host(parts.hostname)
    except ValueError:
        raise ValueError(f"{quoted(written)} has a host name that cannot be used") from None
    is_plain = parts.netloc.isascii() and ("%" not in parts.hostname or ":" in host)
    if is_plain and not parts.hostname.endswith("."):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}://{host}" if parts.port is None else f"{parts.scheme}://{host}:{parts.port}"
