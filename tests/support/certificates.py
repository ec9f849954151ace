"""A certificate authority in a folder, made with the program ``openssl``."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from support import parts

_CONFIG = """\
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = anything
copy_extensions = copy
unique_subject = no
[anything]
commonName = supplied
"""
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """``certificate`` is its PEM file, which a client needs to trust the certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl = str(parts.program("openssl", "openssl"))
        self.certificate = folder / "ca.pem"
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("01")
        (folder / "ca.cnf").write_text(_CONFIG.format(folder=folder))
        self._run("req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test", "-days", "9")

    def server(
        self, names: str, start: str = "20200101000000Z", end: str = "20990101000000Z", extension: str = "", *,
        with_authority: bool = False,
    ) -> ssl.SSLContext:  # fmt: skip
        """A server's context for ``names`` (``DNS:a,IP:127.0.0.1``), valid from ``start`` to ``end``.

        ``extension`` is one more, as openssl writes them: ``authorityInfoAccess=caIssuers;URI:http://ca/ca.der``.
        With ``with_authority`` the authority's own certificate is sent, too.
        """
        subject: tuple[str, ...] = ("-subj", "/CN=server", "-addext", f"subjectAltName={names}")
        subject += ("-addext", extension) if extension else ()
        self._run("req", *_NEW_KEY, "-keyout", "s.key", "-out", "s.csr", *subject)
        signer = ("-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
        self._run(
            "ca", "-batch", "-notext", *signer, "-in", "s.csr", "-out", "s.pem", "-startdate", start, "-enddate", end
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        chain = self._folder / "s.pem"
        if with_authority:
            chain.write_text(chain.read_text() + self.certificate.read_text())
        context.load_cert_chain(chain, self._folder / "s.key")
        return context

    def _run(self, *words: str) -> None:
        subprocess.run([self._openssl, *words], cwd=self._folder, check=True, capture_output=True)
