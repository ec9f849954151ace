"""``data/tls``: certificates and encrypted private keys, each file replaced as a whole."""

from __future__ import annotations

import contextlib
import hmac
import os
from pathlib import Path

from cryptography import x509

from bootgrant.service.data_folder import code_key, write_private
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.service.settings.tls import TlsMode
from bootgrant.wire.secret import Secret


def certificate_folder(site: Site) -> Path:
    """The folder of the files, which only the server can read."""
    return site.data / "tls"


def certificate_path(site: Site) -> Path | None:
    """The file of the certificate that this server uses, or None if it serves plain HTTP."""
    if site.tls.mode is TlsMode.FILES:
        return site.tls.certificate
    return certificate_folder(site) / ("server.pem" if site.tls.mode is TlsMode.OWN else "acme.pem")


def key_secret(site: Site, code_key: bytes) -> Secret:
    """The secret that encrypts private keys: ``tls.passphrase_file``, or one that follows from the code key."""
    derived = hmac.digest(code_key, b"bootgrant certificate keys", "sha256").hex()
    return site.tls.passphrase_file or Secret(derived)


def opening_key(site: Site) -> bytes:
    """The code key, which encrypts private keys. A site on SQLite that has none yet gets one. Raises SettingsError."""
    path, folder, is_own = site.code_key_path, certificate_folder(site), site.tls.mode is TlsMode.OWN
    if site.database.url is not None:
        return code_key(path, create=False)
    encrypted = ("authority.key",) if is_own else ("acme.pem", "acme-account.key")
    if not path.exists() and not site.tls.passphrase_file and any((folder / name).exists() for name in encrypted):
        then = "run `bootgrant tls create`" if is_own else "the server gets a new certificate"
        raise SettingsError(
            f"{path} does not exist, and the private keys in {folder} are encrypted with it: restore it from a backup. "
            f"If it is lost, remove {folder}; {then}"
        )
    return code_key(path)


def replace_file(path: Path, content: str) -> None:
    """Write a file with mode 0600, in one step for readers. Raises SettingsError."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        write_private(new, content.encode())
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates in a PEM file; none if there is no such file. Raises SettingsError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise SettingsError(f"{path} is damaged: restore it from a backup") from None
