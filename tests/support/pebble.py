"""Pebble, a small ACME server, and its DNS server, in which every name is this computer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bootgrant import trust
from bootgrant.credentials.authority import as_pem, in_clear, new_authority, sign
from support import parts
from support.site import clean_environment, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Pebble:
    """``ca`` is the certificate of the ACME server itself; ``tls_port`` and ``http_port`` are where it checks names."""

    folder: Path
    directory: str
    management: str
    names: str
    ca: Path
    tls_port: int
    http_port: int

    @property
    def log(self) -> str:
        return (self.folder / "pebble.log").read_text()

    def root(self) -> Path:
        """The certificate of the authority that signs."""
        path = self.folder / "root.pem"
        path.write_text(self._get(f"{self.management}/roots/0"))
        return path

    def is_up(self) -> bool:
        """Whether both answer. The DNS server has a page of its own, which does not matter."""
        try:
            httpx2.get(self.names, trust_env=False)
            return bool(self._get(self.directory))
        except httpx2.TransportError:
            return False

    def _get(self, url: str) -> str:
        return httpx2.get(url, verify=trust.client_context(self.ca), trust_env=False).raise_for_status().text


def _program(name: str) -> Path:
    path = ROOT / ".venv/oracle" / name
    if not path.exists():
        parts.missing(f"{path} is not built (make test-packaging)")
    return path


@contextmanager
def pebble(folder: Path, seconds: int = 90 * 86400) -> Iterator[Pebble]:
    """A running Pebble, whose certificates are valid for ``seconds``."""
    acme, management, dns, dns_management, tls, http = (free_port() for _ in range(6))
    pair = new_authority(("localhost",), _now())
    served = sign(pair, ("localhost",), _now())
    ca, certificate, key = folder / "pebble-ca.pem", folder / "pebble.pem", folder / "pebble.key"
    ca.write_text(as_pem(pair.certificate))
    certificate.write_text(as_pem(served.certificate))
    key.write_bytes(in_clear(served.key))
    settings = {
        "listenAddress": f"127.0.0.1:{acme}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": http,
        "tlsPort": tls,
        "profiles": {"default": {"description": "for tests", "validityPeriod": seconds}},
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    base, names_page = f"https://localhost:{management}", f"http://127.0.0.1:{dns_management}"
    found = Pebble(folder, f"https://localhost:{acme}/dir", base, names_page, ca, tls, http)
    names = ["-defaultIPv6", "", "-dnsserver", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{dns_management}"]
    off = [word for name in ("http01", "https01", "tlsalpn01", "doh") for word in (f"-{name}", "")]
    quick = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with (folder / "pebble.log").open("ab") as log:
        processes = [
            subprocess.Popen([_program("pebble-challtestsrv"), *names, *off], stdout=log, stderr=log),
            subprocess.Popen(
                [_program("pebble"), "-config", folder / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"],
                stdout=log, stderr=log, env={**clean_environment(), **quick},
            ),
        ]  # fmt: skip
    try:
        wait_until(found.is_up, "Pebble answers")
        yield found
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _now() -> float:
    import time

    return time.time()
