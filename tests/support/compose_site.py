"""packaging/compose without Docker: its three services with the same settings and files, in a network of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from support.oci_image import Container, Image, volume
from support.parts import built_program, installed_file, program
from support.site import clean_environment, wait_until

Json = dict[str, Any]
FILES: Final = Path(__file__).resolve().parents[2] / "packaging/compose"
# Addresses in the subnet of compose.yaml.
_DATABASE: Final = "172.31.253.5"
_SERVERS: Final = ("172.31.253.11", "172.31.253.12")
HOST: Final = "10.20.0.2"
"""Where Caddy's ports are published, and where machines come from."""
_POST: Final = """
import httpx2, json, ssl, sys
url, authority = sys.argv[1:]
answer = httpx2.post(url, verify=ssl.create_default_context(cafile=authority), trust_env=False, timeout=30)
print(json.dumps([answer.status_code, answer.text]))
"""
_NETWORK: Final = """
ip link set lo up
for address in "$@"; do ip address add "$address/24" dev lo; done
mount --bind "$0" /etc/hosts
echo ready
exec sleep infinity
"""


def project(folder: Path) -> Json:
    """What Docker Compose makes of ``folder``. Raises CalledProcessError, with the reason in its ``stderr``."""
    words = [str(built_program("compose")), str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    read: Json = json.loads(done.stdout)
    return read


def copied(folder: Path, **values: str) -> Path:
    """Copy the files, with ``values`` in .env as a person writes them."""
    shutil.copytree(FILES, folder)
    lines = [f"{name}={value}\n" for name, value in values.items()]
    (folder / ".env").write_text((FILES / "example.env").read_text() + "".join(lines))
    (folder / "secrets").mkdir(mode=0o700)
    (folder / "secrets/database_password").write_text("a password of the test\n")
    return folder


@dataclass(slots=True)
class ComposeSite:
    """``within`` is a command that runs another one in the network of the project."""

    folder: Path
    project: Json
    image: Image
    within: list[str]
    volumes: Mapping[str, Path]

    @property
    def url(self) -> str:
        url: str = self._environment("bootgrant")["BOOTGRANT_PUBLIC_URL"]
        return url

    @property
    def authority(self) -> Path:
        """The certificate of Caddy's own authority."""
        return self.folder / "caddy/caddy/pki/authorities/local/root.crt"

    def server(self, number: int) -> Container:
        """A container of the service ``bootgrant``. Only its address is another one than in the file."""
        count = len(list(self.folder.glob("container-*")))
        variables = {**self._environment("bootgrant"), "BOOTGRANT_LISTEN": f"{_SERVERS[number]}:8080"}
        place = self.folder / f"container-{count}"
        return Container(self.image, place, self.volumes, variables, within=self.within)

    @contextmanager
    def serving(self, number: int) -> Iterator[Container]:
        """A server that has the health that ``depends_on`` waits for, until the block ends."""
        container = self.server(number)
        check = self.project["services"]["bootgrant"]["healthcheck"]["test"][1:]
        log = self.folder / f"bootgrant-{number}.log"
        with log.open("a") as sink, container.started(sink) as process:
            wait_until(lambda: process.poll() is not None or container.execute(*check).returncode == 0, "health", 90)
            assert process.poll() is None, log.read_text()
            yield container

    @contextmanager
    def caddy(self) -> Iterator[None]:
        """Caddy with the file and the environment of its service."""
        environment = {"PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(self.folder / "caddy"), "HOME": str(self.folder)}
        words = [str(program("caddy", "caddy")), "run", "--config", str(self.folder / "Caddyfile")]
        log = self.folder / "caddy.log"
        with log.open("w") as sink:
            running = subprocess.Popen(
                [*self.within, *words], stderr=sink, stdout=sink, env=environment | self._environment("caddy")
            )
        with ended(running):
            wait_until(lambda: running.poll() is not None or self.authority.exists(), "Caddy runs", 60)
            assert running.poll() is None, log.read_text()
            yield

    def post(self, path: str) -> tuple[int, str]:
        """What a machine is answered that sends an empty form over HTTPS."""
        words = [*self.within, sys.executable, "-c", _POST, f"{self.url}{path}", str(self.authority)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=clean_environment())
        status, body = json.loads(done.stdout)
        return status, body

    def _environment(self, service: str) -> dict[str, str]:
        environment: dict[str, str] = self.project["services"][service]["environment"]
        return environment


@contextmanager
def compose_site(folder: Path, image: Image) -> Iterator[ComposeSite]:
    """The project with its database and its network, without servers and Caddy."""
    files = copied(folder / "files", BOOT_TLS="tls internal")
    read = project(files)
    owner = int(image.config["User"].partition(":")[0])
    hosts = files / "hosts"
    name = read["services"]["caddy"]["environment"]["BOOT_HOST"]
    lines = [(_DATABASE, "database"), *((address, "bootgrant") for address in _SERVERS), (HOST, name)]
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address, name in lines))
    secret = Path(read["secrets"]["database_password"]["file"])
    secret.chmod(0o444)
    volumes = {
        "/etc/hosts": hosts,
        "/run/secrets/database_password": secret,
        **{inside: volume(files / inside.strip("/"), owner) for inside in ("/data", "/machines")},
    }
    with ExitStack() as stack:
        within = stack.enter_context(_network(hosts))
        # Not in a folder of pytest: the user postgres has no way into it.
        database = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bootgrant-compose-")))
        stack.enter_context(_database(files, database, read, within))
        yield ComposeSite(files, read, image, within, volumes)


@contextmanager
def _network(hosts: Path) -> Iterator[list[str]]:
    addresses = (_DATABASE, *_SERVERS, HOST)
    words = ["unshare", "--net", "--mount", "sh", "-euc", _NETWORK, str(hosts), *addresses]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    with ended(holder):
        assert holder.stdout is not None
        with holder.stdout as said:
            assert said.readline() == "ready\n"
        yield ["nsenter", "--target", str(holder.pid), "--net", "--mount", "--"]


@contextmanager
def _database(folder: Path, place: Path, read: Json, within: list[str]) -> Iterator[None]:
    """PostgreSQL as the image of the project sets it up: a user, a database, a password, and scram over the network."""
    service = read["services"]["database"]
    user, name = (service["environment"][key] for key in ("POSTGRES_USER", "POSTGRES_DB"))
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: float(path.name))
    programs = installed_file((versions or [Path("/usr/lib/postgresql/none")])[-1] / "bin/initdb", "postgresql").parent
    shutil.copy(folder / "secrets/database_password", place / "password")
    for path in (place, place / "password"):
        shutil.chown(path, "postgres", "postgres")
    as_postgres = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    subprocess.run(
        [*as_postgres, programs / "initdb", "-D", place / "data", "-U", user, "--auth=scram-sha-256", "--no-sync",
         f"--pwfile={place / 'password'}", "--encoding=UTF8", "--locale=C"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    with (place / "data/pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    words = [programs / "postgres", "-D", place / "data", "-h", _DATABASE, "-k", place, "-c", "fsync=off"]
    with (folder / "database.log").open("w") as log:
        running = subprocess.Popen([*within, *as_postgres, *map(str, words)], stdout=log, stderr=log, cwd="/")
    with ended(running):
        check = service["healthcheck"]["test"][1:]
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "PGHOST": str(place)}
        ask: list[str] = [*within, *check]
        wait_until(
            lambda: subprocess.run(ask, env=environment, capture_output=True).returncode == 0, "PostgreSQL answers", 60
        )
        create = f'CREATE DATABASE "{name}"'
        password = (place / "password").read_text().strip()
        subprocess.run(
            [*within, "psql", "--username", user, "--dbname", "postgres", "--command", create],
            check=True, capture_output=True, env=environment | {"PGPASSWORD": password},
        )  # fmt: skip
        yield


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End the process after the block."""
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
