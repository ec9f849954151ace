"""The server's certificate, read at startup and when one of its files changes."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bootgrant.ports.chores import Chore, every
from bootgrant.service.certificates.challenges import ChallengeAnswers
from bootgrant.service.certificates.served import ServedCertificate
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.tls import TlsFiles

log = logging.getLogger("bootgrant")
_LOOK_EVERY: Final = 5.0


class ServerTls:
    """The TLS context of the server (TLS 1.2 and later), for every new connection.

    ``answers`` is what an ACME authority gets while it checks, ``renewals`` keep the files up to date. Raises
    SettingsError if the files cannot be used at startup.
    """

    def __init__(
        self, files: TlsFiles, answers: ChallengeAnswers | None = None, renewals: Sequence[Chore] = ()
    ) -> None:
        self._files = files
        self._renewals = renewals
        self.answers = answers or ChallengeAnswers()
        self._seen = _state(files)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._load(self.context)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"tls.certificate {files.certificate} with tls.key {files.key} cannot be used: {error}"
            ) from error

    @classmethod
    def of(cls, certificate: ServedCertificate) -> ServerTls | None:
        """Return the context for a certificate, or None if the server serves plain HTTP. Raises SettingsError."""
        return cls(certificate.files, certificate.answers, certificate.chores) if certificate.files else None

    @property
    def chores(self) -> Sequence[Chore]:
        """What renews the files, and loads them when they change."""

        async def step() -> None:
            self.reload_when_changed()

        return [*self._renewals, Chore("certificate", step, every(_LOOK_EVERY))]

    async def context_for(self, connection: socket.socket) -> ssl.SSLContext:
        """Return the context for a new connection."""
        return await self.answers.context_for(connection) or self.context

    def reload_when_changed(self) -> None:
        """Load the files if they have changed and belong together; otherwise keep the old certificate.

        A problem is logged once, and the files are tried again after the next change.
        """
        seen = _state(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            # A key that does not belong to the certificate would damage the context in use, so try another one first.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except (OSError, ssl.SSLError) as error:
            log.error("the new certificate cannot be used, so the old one stays in use: %s", error)  # noqa: TRY400
            return
        log.info("new certificate from %s", self._files.certificate)

    def _load(self, context: ssl.SSLContext) -> None:
        # Without this callback, OpenSSL would wait for a passphrase on the terminal.
        password = self._files.password
        context.load_cert_chain(
            self._files.certificate, self._files.key, password=password.reveal() if password else _no_passphrase
        )


def _no_passphrase() -> str:
    raise ssl.SSLError("the key is protected by a passphrase; store it without one, readable only by the server")


def _state(files: TlsFiles) -> tuple[tuple[int, ...], ...]:
    return tuple(_file_state(path) for path in (files.certificate, files.key))


def _file_state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    # ctime also changes with the permissions.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
