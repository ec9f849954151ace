"""Encrypted files: age is decrypted by pyrage, SOPS by the site's ``sops`` program. The clear text stays in memory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

import pyrage

from bootgrant.machines.finish.redaction import secrets_of
from bootgrant.machines.finish.rendering import Content
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.wire.secret import Secret

_AGE_KEY = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.IGNORECASE | re.MULTILINE)
_SSH_KEY = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----.*?-----END OPENSSH PRIVATE KEY-----\n?", re.DOTALL)
_SOPS = re.compile(rb'(?m)^sops:\s*$|^\s*"sops":\s*\{')
_ENCRYPTED = b"ENC["


class BadIdentity(ValueError):
    """A text without a usable age identity. The message does not quote it."""


def age_identities(text: Secret) -> list[pyrage.x25519.Identity | pyrage.ssh.Identity]:
    """Return the identities in a file of ``age-keygen`` or an OpenSSH private key. Raises BadIdentity."""
    revealed = text.reveal()
    try:
        found: list[pyrage.x25519.Identity | pyrage.ssh.Identity] = [
            pyrage.x25519.Identity.from_str(line.upper()) for line in _AGE_KEY.findall(revealed)
        ]
        found += [pyrage.ssh.Identity.from_buffer(key.encode()) for key in _SSH_KEY.findall(revealed)]
    except (pyrage.IdentityError, ValueError):
        raise BadIdentity("it contains a damaged age identity") from None
    if not found:
        raise BadIdentity("it has neither a line AGE-SECRET-KEY-1… nor an OpenSSH private key")
    return found


class EncryptedFiles:
    """ports.origins.Decrypter. Its errors name the file and what to do, and quote nothing from the file."""

    def __init__(self, identities: Sequence[Secret] = (), sops_seconds: float = 10.0) -> None:
        """Raises BadIdentity."""
        self._identities = [identity for text in identities for identity in age_identities(text)]
        self._seconds = sops_seconds

    def decrypted(self, path: str, raw: bytes) -> Content:
        clear = self.opened(path, raw)
        return Content(raw) if clear is None else Content(clear, secrets_of(clear))

    def is_plain(self, path: str, raw: bytes) -> bool:
        return not path.endswith(".age") and _ENCRYPTED not in raw

    def opened(self, path: str, raw: bytes) -> bytes | None:
        if path.endswith(".age"):
            return self._age(path, raw)
        return self._sops(path, raw) if _SOPS.search(raw) and _ENCRYPTED in raw else None

    def _age(self, path: str, raw: bytes) -> bytes:
        if not self._identities:
            message = "encrypted with age, but this server has no age identity: set secrets.age_identity_file"
            raise SiteBroken([error("secret", message, path)])
        try:
            return bytes(pyrage.decrypt(raw, self._identities))
        except pyrage.DecryptError:
            message = "cannot be decrypted: it is damaged, or not encrypted for the age identity of this server"
            raise SiteBroken([error("secret", message, path)]) from None

    def _sops(self, path: str, raw: bytes) -> bytes:
        program = shutil.which("sops")
        if program is None:
            message = "encrypted with SOPS, but sops is not installed here: install it, or use age (NAME.age)"
            raise SiteBroken([error("sops", message, path)])
        kind = "json" if path.endswith(".json") else "yaml"
        words = [program, "--decrypt", "--input-type", kind, "--output-type", kind, "/dev/stdin"]
        try:
            return run_program(words, seconds=self._seconds, given=raw)
        except ProgramFailed as failed:
            raise SiteBroken([error("sops", f"SOPS cannot decrypt it: {failed}", path)]) from None
