"""The site's age identities: keys of ``age-keygen``, and OpenSSH private keys of the types that age knows.

Formats: age-keygen(1), and OpenSSH's ``PROTOCOL.key``, of which only the header in clear is read here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import pyrage

from bootgrant.wire.secret import Secret

Identity: TypeAlias = "pyrage.x25519.Identity | pyrage.ssh.Identity"

_AGE_KEY = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.IGNORECASE)
_PEM = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----$(?:.*?)^-----END \1-----$\n?", re.DOTALL | re.MULTILINE)
_OPENSSH: Final = "OPENSSH PRIVATE KEY"
_RSA: Final = "RSA PRIVATE KEY"
_MAGIC: Final = b"openssh-key-v1\0"
_FOR_AGE: Final = ("ssh-ed25519", "ssh-rsa")
_TYPE = re.compile(r"[A-Za-z0-9@.-]{1,64}")
_MAKE_ONE: Final = "make an identity with age-keygen, and encrypt the files for it"
_DAMAGED: Final = "a damaged SSH private key: copy the whole file"
_WITH_PASSPHRASE: Final = (
    "this SSH key has a passphrase, which nobody can type here: "
    f"make a copy without one (ssh-keygen -p -N '' -f COPY), or {_MAKE_ONE}"
)


class BadIdentity(ValueError):
    """A text without a usable age identity. The message names the line and does not quote it."""


class BadRecipient(ValueError):
    """A text that is not a public key. The message does not quote it: it may be a private one."""


def age_identities(text: Secret) -> list[Identity]:
    """Return the identities in a file of ``age-keygen``, or OpenSSH private keys. Raises BadIdentity."""
    revealed = text.reveal().replace("\r\n", "\n")
    pems = _PEM.finditer(revealed)
    found = [_from_pem(pem[1], pem[0], revealed.count("\n", 0, pem.start()) + 1) for pem in pems]
    rest = _PEM.sub(lambda pem: "\n" * pem[0].count("\n"), revealed)
    for number, line in enumerate(map(str.strip, rest.split("\n")), 1):
        if identity := _from_line(line, number):
            found.append(identity)
    if not found:
        raise BadIdentity("it has neither a line AGE-SECRET-KEY-1… nor an OpenSSH private key")
    return found


def _from_line(line: str, number: int) -> Identity | None:
    upper = line.upper()
    if _AGE_KEY.fullmatch(line):
        try:
            return pyrage.x25519.Identity.from_str(upper)
        except (pyrage.IdentityError, ValueError):
            raise BadIdentity(f"line {number}: a damaged age identity: copy the whole line of age-keygen") from None
    if upper.startswith("AGE-SECRET-KEY-PQ-1"):
        raise BadIdentity(f"line {number}: a post-quantum identity, which is not supported: {_MAKE_ONE}")
    if upper.startswith("AGE-PLUGIN-"):
        plugin = upper.removeprefix("AGE-PLUGIN-").partition("-1")[0].lower()
        name = plugin if plugin.replace("-", "").isalnum() else "another program"
        raise BadIdentity(f"line {number}: an identity of the age plugin {name}; plugins are not run here: {_MAKE_ONE}")
    if upper.startswith(("AGE1", "SSH-ED25519 ", "SSH-RSA ")):
        raise BadIdentity(f"line {number}: a public key, which cannot decrypt: give the private key of it")
    return None


def _from_pem(label: str, pem: str, line: int) -> Identity:
    if label == "AGE ENCRYPTED FILE":
        message = "an identity file that is encrypted itself: decrypt it (age -d), or give it in age_identity_command"
        raise BadIdentity(f"line {line}: {message}")
    if label not in (_OPENSSH, _RSA):
        message = f"a {label.title()}, not a key that age can use: {_MAKE_ONE}"
        raise BadIdentity(f"line {line}: {message}")
    if label == _OPENSSH:
        _require_usable(pem, line)
    elif "ENCRYPTED" in pem:
        raise BadIdentity(f"line {line}: {_WITH_PASSPHRASE}")
    try:
        return pyrage.ssh.Identity.from_buffer(pem.encode())
    except (pyrage.IdentityError, ValueError):
        raise BadIdentity(f"line {line}: {_DAMAGED}") from None


def _require_usable(pem: str, line: int) -> None:
    """Raise BadIdentity for an OpenSSH key with a passphrase, or of a type that age does not have."""
    try:
        cipher, kind = _cipher_and_type(base64.b64decode("".join(pem.strip().split("\n")[1:-1])))
    except ValueError:
        raise BadIdentity(f"line {line}: {_DAMAGED}") from None
    if kind not in _FOR_AGE:
        name = kind if _TYPE.fullmatch(kind) else "this type"
        raise BadIdentity(f"line {line}: {name} is not for age: use an ssh-ed25519 or ssh-rsa key, or {_MAKE_ONE}")
    if cipher != "none":
        raise BadIdentity(f"line {line}: {_WITH_PASSPHRASE}")


def _cipher_and_type(raw: bytes) -> tuple[str, str]:
    """Return the cipher and the type of the first key of an ``openssh-key-v1``. Raises ValueError."""
    cipher, at = _string(raw, len(_MAGIC))
    _kdf, at = _string(raw, at)
    _kdf_options, at = _string(raw, at)
    after_count = at + 4
    public_key, _ = _string(raw, after_count)
    kind, _ = _string(public_key, 0)
    return cipher.decode("ascii"), kind.decode("ascii")


def _string(raw: bytes, at: int) -> tuple[bytes, int]:
    """Return the string at a place, and the place after it (RFC 4251, section 5). Raises ValueError."""
    start = at + 4
    end = start + int.from_bytes(raw[at:start], "big")
    if end > len(raw):
        raise ValueError("shorter than its length says")
    return raw[start:end], end


def encrypted_for(recipients: Sequence[str], content: bytes) -> bytes:
    """Return an armored age file for public keys: ``age1…``, or the line of an SSH key. Raises BadRecipient."""
    return bytes(pyrage.encrypt(content, [recipient(text) for text in recipients], armored=True))


def recipient(text: str) -> pyrage.x25519.Recipient | pyrage.ssh.Recipient:
    """Return a public key: ``age1…``, or the line of an SSH key. Raises BadRecipient."""
    try:
        return (pyrage.ssh if text.startswith("ssh-") else pyrage.x25519).Recipient.from_str(text)
    except (pyrage.RecipientError, ValueError):
        raise BadRecipient("not a public key of age (age1…) or an SSH public key: copy it from age-keygen") from None
