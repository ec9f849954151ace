"""The server's certificate: read at the start, and again when one of its files changes."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from bootgrant.service.settings.sections import TlsFiles
from bootgrant.service.settings.setting import SettingsError

log = logging.getLogger("bootgrant")


class ServerTls:
    """``context`` is for every new connection; ``reload_when_changed`` gives it the new certificate.

    TLS 1.2 and later. Raises SettingsError when the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = _state(files)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._load(self.context)
        except (OSError, ssl.SSLError) as error:
            named = f"tls.certificate {files.certificate} with tls.key {files.key} cannot be used: {error}"
            raise SettingsError(named) from error

    def reload_when_changed(self) -> None:
        """Look whether the files changed, and take them over when they fit together; else keep what there is.

        What cannot be used is told once, and tried again when one of the files changes again.
        """
        seen = _state(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            # A pair that does not fit would damage the context in use, so it is tried on another one first.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except (OSError, ssl.SSLError) as error:
            log.error("the new certificate cannot be used, the old one stays: %s", error)  # noqa: TRY400
            return
        log.info("new certificate from %s", self._files.certificate)

    def _load(self, context: ssl.SSLContext) -> None:
        # Without an answer of ours, OpenSSL asks for a passphrase on the terminal, and everything stands still.
        context.load_cert_chain(self._files.certificate, self._files.key, password=_no_passphrase)


def _no_passphrase() -> str:
    raise ssl.SSLError("the key is protected by a passphrase; write it without one, readable by the server alone")


def _state(files: TlsFiles) -> tuple[tuple[int, ...], ...]:
    return tuple(_file_state(path) for path in (files.certificate, files.key))


def _file_state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    # The time of the last change includes that of the permissions.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
