"""The server's certificate: a new one is loaded, and an unusable one is logged once and clearly."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest

from bootgrant.service.server.tls import ServerTls
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.tls import TlsFiles
from support.parts import program


def make(folder: Path, *protection: str) -> TlsFiles:
    """Create a new pair in the same two files. ``protection`` are arguments for openssl."""
    files = TlsFiles(folder / "cert.pem", folder / "cert.key")
    subprocess.run(
        [
            str(program("openssl", "openssl")), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            *(protection or ("-nodes",)), "-days", "2", "-subj", "/CN=boot", "-keyout", str(files.key),
            "-out", str(files.certificate),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return files


def test_a_key_with_a_passphrase_is_refused_without_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="protected by a passphrase"):
        ServerTls(make(tmp_path, "-passout", "pass:geheim"))


def test_an_unusable_certificate_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = make(tmp_path)
    tls = ServerTls(files)
    files.certificate.write_text("half of a certificate")
    for _ in range(3):
        tls.reload_when_changed()
    assert caplog.text.count("the old one stays") == 1
    files.certificate.unlink()
    for _ in range(3):
        tls.reload_when_changed()
    assert caplog.text.count("the old one stays") == 2
    make(tmp_path)
    tls.reload_when_changed()
    assert caplog.text.count("new certificate from") == 1
