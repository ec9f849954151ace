"""The authority of a site, as the commands show and change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from bootgrant.credentials.authority import fingerprint, hosts_allowed
from bootgrant.service.certificates import own
from bootgrant.service.certificates.private_files import (
    certificate_folder,
    certificate_path,
    opening_key,
    read_certificates,
)
from bootgrant.service.data_folder import prepare_data_folder
from bootgrant.service.settings.site import SettingsError, Site
from bootgrant.service.settings.tls import TlsMode
from bootgrant.service.system import SystemClock


@dataclass(frozen=True, slots=True)
class ShownAuthority:
    """An authority of a site. ``signs`` is false for one that follows."""

    fingerprint: str
    ends: float
    hosts: Sequence[str]
    signs: bool


def authorities(site: Site) -> list[ShownAuthority]:
    """Return the authorities that clients have to trust, the one that signs first. Raises SettingsError."""
    found = own.trusted(certificate_folder(site))
    return [_shown(each, number == 0) for number, each in enumerate(found)]


def authority_pem(site: Site) -> str:
    """Return the same as PEM, or nothing if the site has none. Raises SettingsError."""
    return own.trusted_pem(certificate_folder(site)) if site.tls.mode is TlsMode.OWN else ""


def server_certificate_end(site: Site) -> float | None:
    """Return until when the server's certificate is valid, or None if there is none. Raises SettingsError."""
    path = certificate_path(site)
    found = read_certificates(path) if path else []
    return found[0].not_valid_after_utc.timestamp() if found else None


def create(site: Site) -> None:
    """Make the authority. Raises SettingsError."""
    _of(site).create(SystemClock().now())


def rotate(site: Site) -> None:
    """Make the authority that follows. Raises SettingsError."""
    _of(site).rotate(SystemClock().now())


def finish(site: Site) -> None:
    """Let the new authority sign. Raises SettingsError."""
    _of(site).finish()


def _of(site: Site) -> own.OwnAuthority:
    if site.tls.mode is not TlsMode.OWN:
        raise SettingsError(
            f'this site has no authority of its own: set tls.mode = "own" in bootgrant.toml (it is "{site.tls.mode}")'
        )
    prepare_data_folder(site.data)
    return own.own_authority(site, opening_key(site))


def _shown(certificate: x509.Certificate, signs: bool) -> ShownAuthority:
    end = certificate.not_valid_after_utc.timestamp()
    return ShownAuthority(fingerprint(certificate), end, hosts_allowed(certificate), signs)
