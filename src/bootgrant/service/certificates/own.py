"""The site's own authority in ``data/tls``, and the server's certificate that it signs.

``authority.pem`` and ``authority.key`` are the authority. While it is being replaced, ``next.pem`` and ``next.key`` are
the one that follows, which clients have to know before it signs. ``server.pem`` is this server's certificate with its
key. Servers of one database share the authority, and each signs its own certificate.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from bootgrant.credentials import authority as signing
from bootgrant.credentials.authority import KeyPair, NotOpened
from bootgrant.service.certificates.private_files import certificate_folder, key_secret, read_certificates, replace_file
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.service.settings.tls import TlsFiles
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant")

RENEW_AT: Final = 1 / 3
"""The part of a certificate's lifetime that is left when it is renewed."""


@dataclass(frozen=True, slots=True)
class OwnAuthority:
    """The authority of a site. ``secret`` opens its private keys. Every method may raise SettingsError."""

    folder: Path
    secret: Secret
    hosts: tuple[str, ...]

    def create(self, now: float) -> None:
        """Make the authority."""
        if trusted(self.folder):
            raise SettingsError(
                f"{self.folder / 'authority.pem'} exists: nothing was changed. To replace the authority, use "
                "`bootgrant tls rotate`"
            )
        self._write("authority", signing.new_authority(self.hosts, now))

    def rotate(self, now: float) -> None:
        """Make the authority that follows. Until ``finish``, clients are given both, and the old one signs."""
        if (self.folder / "next.pem").exists():
            raise SettingsError(
                "a new authority was already made: give it to all clients, then run `bootgrant tls rotate --finish`"
            )
        self.signer()
        self._write("next", signing.new_authority(self.hosts, now))

    def finish(self) -> None:
        """Let the new authority sign, and forget the old one."""
        if not (self.folder / "next.pem").exists():
            raise SettingsError("there is no new authority: `bootgrant tls rotate` makes one")
        following = self._read("next")
        self._write("authority", following)
        for name in ("next.key", "next.pem"):
            (self.folder / name).unlink(missing_ok=True)

    def signer(self) -> KeyPair:
        """The authority that signs now."""
        return self._read("authority")

    def _write(self, name: str, pair: KeyPair) -> None:
        replace_file(self.folder / f"{name}.key", signing.locked(pair.key, self.secret))
        replace_file(self.folder / f"{name}.pem", signing.as_pem(pair.certificate))

    def _read(self, name: str) -> KeyPair:
        path = self.folder / f"{name}.key"
        certificates = read_certificates(self.folder / f"{name}.pem")
        if not certificates:
            raise SettingsError(
                f"{self.folder / name}.pem does not exist: run `bootgrant tls create`, or copy {self.folder} from "
                "another server of this database"
            )
        try:
            key = signing.unlocked(path.read_bytes(), self.secret)
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
        except NotOpened:
            raise SettingsError(
                f"{path} cannot be opened with this code key or tls.passphrase_file: use the one that it was made "
                f"with, or remove the folder {self.folder} and run `bootgrant tls create`"
            ) from None
        if key.public_key() != certificates[0].public_key():
            raise SettingsError(f"{path} does not belong to {name}.pem: restore both from a backup")
        return KeyPair(certificates[0], key)


def own_authority(site: Site, code_key: bytes) -> OwnAuthority:
    """Return the authority of a site."""
    return OwnAuthority(certificate_folder(site), key_secret(site, code_key), site.certificate_hosts)


def trusted(folder: Path) -> list[x509.Certificate]:
    """Return what clients should trust: the authority, and the one that follows. Raises SettingsError."""
    return [*read_certificates(folder / "authority.pem"), *read_certificates(folder / "next.pem")]


def trusted_pem(folder: Path) -> str:
    """Return the same as PEM. Raises SettingsError."""
    return "".join(map(signing.as_pem, trusted(folder)))


class OwnCertificate:
    """This server's certificate. ``keep`` renews it in time, and whenever the hosts or the authority have changed."""

    def __init__(self, site: Site, code_key: bytes) -> None:
        self._authority = own_authority(site, code_key)
        self._left_out: frozenset[str] = frozenset()
        self._required = site.certificate_hosts[:1]
        path = certificate_folder(site) / "server.pem"
        self.files = TlsFiles(path, path, self._authority.secret)

    def keep(self, now: float) -> None:
        """Make a new certificate if it is time. Raises SettingsError."""
        folder = self._authority.folder
        found = read_certificates(folder / "authority.pem")
        if found and self._is_good(found[0], now):
            return
        signer = self._authority.signer()
        hosts = [host for host in self._authority.hosts if signing.may_sign_for(signer.certificate, host)]
        self._check(frozenset(self._authority.hosts) - frozenset(hosts))
        made = signing.sign(signer, hosts, now)
        replace_file(
            self.files.certificate, signing.as_pem(made.certificate) + signing.locked(made.key, self._authority.secret)
        )
        log.info("made a certificate for %s, valid until %s", ", ".join(hosts), made.certificate.not_valid_after_utc)

    def _is_good(self, signer: x509.Certificate, now: float) -> bool:
        try:
            found = read_certificates(self.files.certificate)
        except SettingsError:
            return False
        if not found or not signing.is_signed_by(found[0], signer):
            return False
        hosts = {host for host in self._authority.hosts if signing.may_sign_for(signer, host)}
        # One from the future was made while this computer's clock was wrong, and every client refuses it.
        is_from_now = found[0].not_valid_before_utc.timestamp() <= now
        return is_from_now and signing.hosts_of(found[0]) == hosts and not is_due(found[0], now) and self._opens()

    def _opens(self) -> bool:
        """Whether the key of the certificate can be opened, which it cannot with another code key."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.files.certificate, password=self._authority.secret.reveal()
            )
        except (OSError, ssl.SSLError):
            return False
        return True

    def _check(self, left_out: frozenset[str]) -> None:
        advice = "run `bootgrant tls rotate`, which makes an authority for the hosts of the settings"
        if required := left_out & frozenset(self._required):
            raise SettingsError(f"the authority of this site may not sign for {', '.join(required)}: {advice}")
        if left_out and left_out != self._left_out:
            log.warning("the authority of this site may not sign for %s: %s", ", ".join(sorted(left_out)), advice)
        self._left_out = left_out


def is_due(certificate: x509.Certificate, now: float) -> bool:
    """Return whether a certificate should be renewed."""
    start, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return now > end - (end - start) * RENEW_AT
