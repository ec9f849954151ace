"""Opening encrypted files: age by pyrage, SOPS by the site's ``sops`` program. What comes out stays in memory."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence

import pyrage

from bootgrant.machines.finish.redaction import secrets_of
from bootgrant.machines.finish.rendering import Content
from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.wire.secret import Secret

_AGE_KEY = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.IGNORECASE | re.MULTILINE)
_SSH_KEY = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----.*?-----END OPENSSH PRIVATE KEY-----\n?", re.DOTALL)
_SOPS = re.compile(rb'(?m)^sops:\s*$|^\s*"sops":\s*\{')
_ENCRYPTED = b"ENC["


class BadIdentity(ValueError):
    """A text in which there is no age identity; the text itself is not repeated."""


def age_identities(text: Secret) -> list[pyrage.x25519.Identity | pyrage.ssh.Identity]:
    """The identities in an identity file (``age-keygen``) or an OpenSSH private key. Raises BadIdentity."""
    revealed = text.reveal()
    try:
        found: list[pyrage.x25519.Identity | pyrage.ssh.Identity] = [
            pyrage.x25519.Identity.from_str(line.upper()) for line in _AGE_KEY.findall(revealed)
        ]
        found += [pyrage.ssh.Identity.from_buffer(key.encode()) for key in _SSH_KEY.findall(revealed)]
    except (pyrage.IdentityError, ValueError):
        raise BadIdentity("an age identity in it is damaged") from None
    if not found:
        raise BadIdentity("there is no line AGE-SECRET-KEY-1… and no OpenSSH private key in it")
    return found


class SecretFiles:
    """Files in clear. Raises SiteBroken, which names the file and what to do, and repeats nothing of it."""

    def __init__(self, identities: Sequence[Secret] = (), sops_seconds: float = 10.0) -> None:
        """Raises BadIdentity."""
        self._identities = [identity for text in identities for identity in age_identities(text)]
        self._seconds = sops_seconds

    def content(self, path: str, raw: bytes) -> Content:
        """A file of the tree as its layer has it."""
        if path.endswith(".age"):
            clear = self._age(path, raw)
        elif _SOPS.search(raw) and _ENCRYPTED in raw:
            clear = self._sops(path, raw)
        else:
            return Content(raw)
        return Content(clear, secrets_of(clear))

    def _age(self, path: str, raw: bytes) -> bytes:
        if not self._identities:
            raise SiteBroken([_told(path, "encrypted with age, and no identity is set: secrets.age_identity_file")])
        try:
            clear = pyrage.decrypt(raw, self._identities)
        except pyrage.DecryptError:
            told = "cannot be decrypted: it is damaged, or encrypted for other recipients than this site's age identity"
            raise SiteBroken([_told(path, told)]) from None
        return bytes(clear)

    def _sops(self, path: str, raw: bytes) -> bytes:
        program = shutil.which("sops")
        if program is None:
            told = "encrypted with SOPS, and the program sops is not installed here: install it, or use age (NAME.age)"
            raise SiteBroken([error("sops", told, path)])
        kind = "json" if path.endswith(".json") else "yaml"
        words = [program, "--decrypt", "--input-type", kind, "--output-type", kind, "/dev/stdin"]
        try:
            return run_program(words, seconds=self._seconds, given=raw)
        except ProgramFailed as failed:
            raise SiteBroken([error("sops", f"SOPS does not open it: {failed}", path)]) from None


def _told(path: str, message: str) -> Finding:
    return error("secret", message, path)
