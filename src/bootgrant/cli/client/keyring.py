"""Tokens in the keyring of the user's desktop, through the library ``keyring`` (an extra of the package)."""

from __future__ import annotations

import importlib
from typing import Any, Final

from bootgrant.cli.output import Refused
from bootgrant.wire.secret import Secret

SERVICE: Final = "bootgrant"


def read(name: str) -> Secret:
    """Return the token of this name. Raises Refused."""
    library = _library()
    try:
        found = library.get_password(SERVICE, name)
    except library.errors.KeyringError as error:
        raise _unusable(error) from error
    if not found:
        raise Refused("no_token", f"the keyring has no token for {name}: run `bootgrant login` again")
    return Secret(found)


def write(name: str, token: Secret) -> None:
    """Store a token. Raises Refused."""
    library = _library()
    try:
        library.set_password(SERVICE, name, token.reveal())
    except library.errors.KeyringError as error:
        raise _unusable(error) from error


def remove(name: str) -> None:
    """Remove a token, if it is there. Raises Refused."""
    library = _library()
    try:
        library.delete_password(SERVICE, name)
    except library.errors.PasswordDeleteError:
        return
    except library.errors.KeyringError as error:
        raise _unusable(error) from error


def check() -> None:
    """Raise Refused if there is no keyring that could keep a token."""
    library = _library()
    if library.get_keyring().priority <= 0:
        raise _unusable("no backend is available")


def _library() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        reason = "the library keyring is not installed: run `pip install 'bootgrant[keyring]'`, or leave out --keyring"
        raise Refused("no_keyring", reason) from None


def _unusable(error: object) -> Refused:
    return Refused("no_keyring", f"the keyring cannot be used ({error}): unlock it, or log in without --keyring")
