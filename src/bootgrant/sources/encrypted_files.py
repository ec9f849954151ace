"""Encrypted files: age is decrypted by pyrage, SOPS by the site's ``sops`` program. The clear text stays in memory."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Final

import pyrage

from bootgrant.machines.finish.redaction import secrets_of
from bootgrant.machines.finish.rendering import Content
from bootgrant.machines.site.encryption import Encryption, age_recipients, encryption_of, foreign_encryption
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.machines.site.pointers import LFS_POINTER, is_lfs_pointer
from bootgrant.sources.age_identities import BadIdentity, age_identities
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.wire.secret import Secret

__all__ = ["BadIdentity", "EncryptedFiles", "age_identities"]

_NO_KEY: Final = "No matching keys found"
"""What pyrage says of a file for other recipients; every other text means damage."""
_NO_SOPS_KEY: Final = ("Failed to get the data key", "no matching creation rules")
_SOPS_CHANGED: Final = "MAC mismatch"
_KNOWN_RECIPIENTS: Final = ("X25519", "ssh-ed25519", "ssh-rsa")


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
        if path.endswith(".age") or b"ENC[" in raw or is_lfs_pointer(raw) or foreign_encryption(raw):
            return False
        return encryption_of(path, raw) is Encryption.NONE

    def opened(self, path: str, raw: bytes) -> bytes | None:
        """Return the content in clear, None if it was not encrypted. Raises SiteBroken: also for a name that promises
        another encryption."""
        if is_lfs_pointer(raw):
            raise SiteBroken([error("foreign", LFS_POINTER, path)])
        encryption = encryption_of(path, raw)
        if path.endswith(".age") or encryption is Encryption.AGE:
            return self._age(path, raw, encryption)
        if encryption.is_sops:
            return self._sops(path, raw, encryption)
        if tool := foreign_encryption(raw):
            raise _secret(
                path, f"encrypted with {tool}, which is not supported: encrypt it with age (NAME.age) or SOPS"
            )
        return None

    def _age(self, path: str, raw: bytes, encryption: Encryption) -> bytes:
        if encryption is not Encryption.AGE:
            raise _secret(path, _not_age(raw, encryption))
        if not path.endswith(".age"):
            raise _secret(path, "encrypted with age, but its name does not end in .age: rename it to NAME.age")
        if not self._identities:
            message = "encrypted with age, but this server has no age identity: set secrets.age_identity_file"
            raise _secret(path, message)
        try:
            return bytes(pyrage.decrypt(raw, self._identities))
        except pyrage.DecryptError as refused:
            if str(refused) == _NO_KEY:
                raise _secret(path, self._for_others(age_recipients(raw))) from None
            message = "cannot be decrypted: it is damaged or incomplete; encrypt it again, and check how git stores it"
            raise _secret(path, message) from None

    def _for_others(self, recipients: Sequence[str]) -> str:
        """Say for whom a file is encrypted, and how to encrypt it for this server."""
        own = [str(one.to_public()) for one in self._identities if isinstance(one, pyrage.x25519.Identity)]
        again = f"encrypt it also for this server (age -r {own[0]})" if own else "encrypt it also for this server's key"
        if "scrypt" in recipients:
            return f"cannot be decrypted: it is encrypted with a passphrase, which nobody can type here: {again}"
        plugins = [kind for kind in recipients if kind not in _KNOWN_RECIPIENTS]
        if plugins and len(plugins) == len(recipients):
            names = ", ".join(plugins)
            kinds = f"it is only encrypted for keys that bootgrant does not use ({names}), such as those of age plugins"
            return f"cannot be decrypted: {kinds}: {again}"
        kinds = f" ({', '.join(recipients)})" if recipients else ""
        reason = f"it is not encrypted for the age identity of this server, only for others{kinds}"
        return f"cannot be decrypted: {reason}: {again}"

    def _sops(self, path: str, raw: bytes, encryption: Encryption) -> bytes:
        program = shutil.which("sops")
        if program is None:
            message = "encrypted with SOPS, but sops is not installed here: install it, or use age (NAME.age)"
            raise SiteBroken([error("sops", message, path)])
        kind = encryption.value
        words = [program, "--decrypt", "--input-type", kind, "--output-type", kind, "/dev/stdin"]
        try:
            return run_program(words, seconds=self._seconds, given=raw)
        except ProgramFailed as failed:
            raise SiteBroken([error("sops", _sops_reason(str(failed)), path)]) from None


def _sops_reason(failure: str) -> str:
    if _SOPS_CHANGED in failure:
        return "SOPS refuses it, because it was changed after it was encrypted (MAC mismatch): edit it with `sops FILE`"
    if any(text in failure for text in _NO_SOPS_KEY):
        return (
            "SOPS has none of the keys that it is encrypted for: give the server one (SOPS_AGE_KEY_FILE, gpg), or add "
            f"its recipient with `sops updatekeys`; {failure}"
        )
    return f"SOPS cannot decrypt it: {failure}"


def _not_age(raw: bytes, encryption: Encryption) -> str:
    if not raw.strip():
        return "named .age, but empty: encrypt its content into it, or remove it"
    if encryption.is_sops:
        return "named .age, but encrypted with SOPS: remove .age from its name"
    if tool := foreign_encryption(raw):
        return f"named .age, but encrypted with {tool}: encrypt it with age"
    return (
        "named .age, but not encrypted: everyone who can read this folder or its git history can read its secrets; "
        "encrypt it with age, and replace the secrets in it"
    )


def _secret(path: str, message: str) -> SiteBroken:
    return SiteBroken([error("secret", message, path)])
