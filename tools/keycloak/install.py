"""Install Keycloak for `make test-providers`: Maven fetches it, its checksum is compared, and it is built once.

    python -m tools.keycloak.install

The version and the checksum are in pom.xml next to this file. Everything is kept outside the tree, in
BOOTGRANT_TEST_CACHE (default: ~/.cache/bootgrant/tests). Then Keycloak is started once, so that each test run begins
with a copy of a database that has its schema and its administrator: 12 seconds instead of 50.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from xml.etree import ElementTree as ET

ADMIN: Final = ("admin", "an administrator of tests")
"""Name and password of the administrator in the database that is copied."""
JAVA: Final = 17
"""The oldest Java that Keycloak 26 runs with."""

_POM: Final = Path(__file__).with_name("pom.xml")
_BUILD: Final = ("build", "--db=dev-file", "--health-enabled=true")
_SECONDS: Final = 600.0


class NotInstalled(Exception):
    """Keycloak cannot run here; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a server on 127.0.0.1: for browsers and machines, and for its health."""

    http: int
    management: int


@dataclass(frozen=True, slots=True)
class Installed:
    """A folder with a built Keycloak and the database that a new server begins with."""

    folder: Path

    @property
    def database(self) -> Path:
        """The folder of the database; a server gets a copy."""
        return self.folder / "database"

    def start(self, database: Path, ports: Ports) -> list[str]:
        """Return the command of a server that keeps its data in the folder ``database``."""
        return [
            str(self.folder / "keycloak/bin/kc.sh"),
            "start",
            "--optimized",
            "--cache=local",
            "--http-enabled=true",
            "--http-host=127.0.0.1",
            f"--http-port={ports.http}",
            f"--http-management-port={ports.management}",
            f"--hostname=http://127.0.0.1:{ports.http}",
            f"--db-url=jdbc:h2:file:{database}/keycloakdb;NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE",
        ]


def installed() -> Installed:
    """Return what :func:`install` made. Raises NotInstalled."""
    _check_java()
    folder = _place()
    if not (folder / "complete").exists():
        raise NotInstalled(f"Keycloak is not in {folder} (make test-providers)")
    return Installed(folder)


def environment() -> dict[str, str]:
    """Return the environment of a server: little memory, a fast start, no proxy, no settings from outside."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KC_", "JAVA_OPTS")) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
        "JAVA_OPTS_APPEND": "-XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN[0],
        "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN[1],
    }


def is_ready(ports: Ports) -> bool:
    """Return whether the server at these ports serves requests."""
    try:
        with build_opener(ProxyHandler({})).open(
            f"http://127.0.0.1:{ports.management}/health/ready", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def install() -> Installed:
    """Make the folder that :func:`installed` returns, unless it is there. Raises NotInstalled."""
    _check_java()
    folder = _place()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for left in ("fetched", "keycloak", "database"):
                shutil.rmtree(folder / left, ignore_errors=True)
            _fetch(folder)
            print("building Keycloak (half a minute) …", flush=True)
            _run([str(folder / "keycloak/bin/kc.sh"), *_BUILD], "the build of Keycloak failed", environment())
            print("starting Keycloak once, for its database (half a minute) …", flush=True)
            _make_database(Installed(folder))
            (folder / "complete").touch()
    return Installed(folder)


def _place() -> Path:
    """The folder for this version, this build, and this administrator."""
    cache = Path(os.environ.get("BOOTGRANT_TEST_CACHE") or Path.home() / ".cache/bootgrant/tests")
    made_from = hashlib.sha256(repr((_pinned("sha256"), _BUILD, ADMIN)).encode()).hexdigest()
    return cache.absolute() / f"keycloak-{_pinned('version')}-{made_from[:12]}"


def _pinned(what: str) -> str:
    found = ET.parse(_POM).findtext(f"properties/{what}.keycloak")
    assert found, f"{_POM} has no {what}.keycloak"
    return found


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None or not Path(java).exists():
        raise NotInstalled("java is not installed (apt-get install default-jre-headless)")
    shown = subprocess.run([java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False)
    lines = [line.strip() for line in shown.stderr.splitlines()]
    found = next((line.rpartition(" ")[2] for line in lines if line.startswith("java.specification.version")), "0")
    if float(found) < JAVA:
        raise NotInstalled(f"{java} is Java {found}, and Keycloak needs {JAVA} (apt-get install default-jre-headless)")


def _fetch(folder: Path) -> None:
    """Fetch the archive with Maven, compare its checksum, and unpack it."""
    maven = shutil.which("mvn")
    if maven is None:
        raise NotInstalled("mvn is not installed (apt-get install maven)")
    print(f"fetching Keycloak {_pinned('version')} with Maven (160 MB) …", flush=True)
    fetched = folder / "fetched"
    goal = [maven, "-f", str(_POM), "--batch-mode", "--quiet", "--strict-checksums", "dependency:copy"]
    _run([*goal, f"-DoutputDirectory={fetched}"], "Maven could not fetch Keycloak", {**os.environ})
    archive = fetched / "keycloak.tar.gz"
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _pinned("sha256"):
        raise NotInstalled(f"Maven fetched a Keycloak with the SHA-256 {found}; {_POM} has {_pinned('sha256')}")
    _run(
        ["tar", "-xzf", str(archive), "-C", str(fetched)],
        "the archive of Keycloak could not be unpacked",
        {**os.environ},
    )
    (fetched / f"keycloak-{_pinned('version')}").rename(folder / "keycloak")
    shutil.rmtree(fetched)


def _make_database(made: Installed) -> None:
    """Start the server on an empty database, and stop it when it is ready."""
    ports, log = Ports(_free_port(), _free_port()), made.folder / "first-start.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            made.start(made.database, ports), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment()
        )
    try:
        until = time.monotonic() + _SECONDS
        while not is_ready(ports):
            if process.poll() is not None or time.monotonic() > until:
                raise NotInstalled(f"Keycloak did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _run(command: Sequence[str], problem: str, variables: dict[str, str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=variables, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise NotInstalled(f"{problem}:\n{(done.stdout + done.stderr)[-4000:]}")


def main() -> int:
    try:
        print(f"Keycloak {_pinned('version')} is in {install().folder}")
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
