"""Tokens in the keyring of the user's desktop, through the library ``keyring`` (an extra of the package)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from bootgrant.cli.output import Refused
from bootgrant.extras import advice
from bootgrant.wire.secret import Secret

SERVICE: Final = "bootgrant"
T = TypeVar("T")


def read(name: str) -> Secret:
    """Return the token of this name. Raises Refused."""
    found: str | None = _asked(lambda library: library.get_password(SERVICE, name))
    if not found:
        raise Refused("no_token", f"the keyring has no token for {name}: run `bootgrant login` again")
    return Secret(found)


def write(name: str, token: Secret) -> None:
    """Store a token. Raises Refused."""
    _asked(lambda library: library.set_password(SERVICE, name, token.reveal()))


def remove(name: str) -> None:
    """Remove a token, if it is there. Raises Refused."""
    # Not every keyring raises the same error for a token that is not there.
    if _asked(lambda library: library.get_password(SERVICE, name)) is not None:
        _asked(lambda library: library.delete_password(SERVICE, name))


def check() -> None:
    """Raise Refused if there is no keyring that could keep a token."""
    if _asked(lambda library: library.get_keyring().priority) <= 0:
        raise _unusable("there is none on this computer")


def _asked(work: Callable[[Any], T]) -> T:
    """Return what the library answers. Raises Refused for every error: those of D-Bus come through as they are."""
    try:
        library = importlib.import_module("keyring")
    except ImportError:
        raise Refused("no_keyring", f"{advice('keyring', 'keyring')}, or leave out --keyring") from None
    try:
        return work(library)
    except Exception as error:
        raise _unusable(str(error).partition("\n")[0] or type(error).__name__) from error


def _unusable(why: str) -> Refused:
    return Refused("no_keyring", f"the keyring cannot be used ({why}): unlock it, or log in without --keyring")
