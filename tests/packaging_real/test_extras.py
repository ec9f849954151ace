"""The wheel in a new Debian: each extra is installed by pip into an environment of its own, and run.

The server is in one environment, what a laptop and a machine have in another: together they are the whole journey.
PACKAGING_LONG=1 adds pipx.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.debian_root import ROOT, DebianRoot
from support.postgres_cluster import PASSWORD, Cluster
from support.site import free_port, wait_until

UUID = "40dcbd19-3b10-444e-bfff-aaee44a51fda"
MACHINE = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
CONSTRAINTS = "/tmp/constraints.txt"
MOST_PACKAGES = 16
"""Of an installation without an extra, with bootgrant itself."""

only_bookworm = pytest.mark.parametrize("host", ["bookworm"], indirect=True)
only_trixie = pytest.mark.parametrize("host", ["trixie"], indirect=True)


def built(folder: Path, **environment: str) -> Path:
    """Build the wheel and the archive of the source as `make wheel` does. Return the wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)]
    variables = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1700000000", **environment}
    subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist"))


@dataclass(frozen=True, slots=True)
class Host:
    """A Debian with the wheel, and an environment for each extra that was asked for."""

    root: DebianRoot
    wheel: str
    made: set[str] = field(default_factory=set)

    def program(self, extra: str = "base") -> str:
        """Return the bootgrant of the environment with an extra. pip makes it the first time."""
        folder = f"/opt/{extra}"
        if extra not in self.made:
            self.root.run("python3", "-m", "venv", "--without-pip", folder)
            flags = ("--quiet", "--no-compile", "--only-binary", ":all:", "--constraint", CONSTRAINTS)
            self.pip(extra, "install", *flags, self.requirement(extra))
            self.made.add(extra)
        return f"{folder}/bin/bootgrant"

    def pip(self, extra: str, *words: str) -> str:
        """Run the pip of this Debian for the environment with an extra. Return its output."""
        if not self.made:
            self.root.run("python3", "-m", "venv", "/opt/pip")
        pip = ("/opt/pip/bin/pip", "--disable-pip-version-check", "--python", f"/opt/{extra}/bin/python")
        return self.root.run(*pip, *words).stdout

    def requirement(self, extra: str = "base") -> str:
        return f"bootgrant{'' if extra == 'base' else f'[{extra}]'} @ file://{self.wheel}"

    def run(self, *words: str, extra: str = "base", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of bootgrant."""
        return self.root.run(self.program(extra), *words, check=check)


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest, wheel: Path) -> Host:
    root: DebianRoot = request.getfixturevalue(request.param)
    root.copy(wheel, f"/tmp/{wheel.name}")
    # The lock file without its hashes: with them, pip would want a hash of our wheel as well.
    pinned = re.findall(r"(?m)^([a-z0-9].*?) \\$", (ROOT / "requirements/dev.txt").read_text())
    (root.folder / CONSTRAINTS.lstrip("/")).write_text("\n".join(pinned) + "\n")
    return Host(root, f"/tmp/{wheel.name}")


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose server runs in the environment of an extra."""

    host: Host
    extra: str
    folder: str
    url: str

    @property
    def config(self) -> str:
        return f"{self.folder}/bootgrant.toml"

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.host.run(*words, "--config", self.config, extra=self.extra)

    def token(self) -> str:
        """Make an API token, and return the file that it is in."""
        made = self.command("tokens", "add", "laptop", "--role", "approver", "--for", "1h", "--json")
        (self.host.root.folder / "tmp/token").write_text(json.loads(made.stdout)["token"])
        return "/tmp/token"


@contextmanager
def serving(host: Host, extra: str, *flags: str) -> Iterator[Site]:
    """Make a site with `init`, and serve it."""
    port = free_port()
    folder = f"/srv/{port}"
    url = f"http://127.0.0.1:{port}"
    host.run("init", folder, "--public-url", url, "--listen", f"127.0.0.1:{port}", *flags, extra=extra)
    place = host.root.folder / folder.lstrip("/")
    (place / "machines" / f"{UUID}.yaml").write_text(MACHINE)
    config = place / "bootgrant.toml"
    config.write_text(re.sub(r"(?m)^hold = .*$", 'hold = "1s"', config.read_text()))
    server = host.root.start(host.program(extra), "serve", "--config", f"{folder}/bootgrant.toml")
    try:
        assert server.stdout is not None
        log: list[str] = []
        while f"serving {url}" not in (log or [""])[-1]:
            log.append(server.stdout.readline())
            assert log[-1], log
        yield Site(host, extra, folder, url)
    finally:
        server.kill()
        server.communicate(timeout=30)


def delivered(site: Site) -> bytes:
    """A machine and a person with a laptop, both without an extra, go through. Return the machine's configuration."""
    host, there = site.host, ("--server", site.url, "--token-file", site.token())
    line = host.run("kernel-args", "--url", site.url).stdout.strip()
    mac, output = "52:54:00:00:00:01", f"{site.folder}/{UUID}.yaml"
    variables = ("--set", f"uuid={UUID}", "--set", f"mac={mac}")
    machine = host.root.start(host.program(), "acquire", "--cmdline", line, *variables, "--output", output)
    try:
        codes: list[str] = []

        def asked() -> bool:
            waiting = json.loads(host.run("pending", *there, "--json").stdout)["pending"]
            codes[:] = [request["code"] for request in waiting if request["identity"]["mac"] == mac]
            return bool(codes)

        wait_until(asked, "the machine asks", seconds=60)
        assert host.run("approve", *codes, *there).stdout.startswith(f"approved {codes[0]} ")
        assert machine.wait(60) == 0
    finally:
        machine.kill()
        machine.communicate()
    return (host.root.folder / output.lstrip("/")).read_bytes()


def test_the_same_source_is_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    for file in again.parent.iterdir():
        assert file.read_bytes() == (wheel.parent / file.name).read_bytes(), file.name


def test_a_laptop_gets_few_packages(host: Host) -> None:
    host.program()
    names = sorted(row["name"] for row in json.loads(host.pip("base", "list", "--format", "json")))
    print(f"{len(names)} packages: {' '.join(names)}")
    assert len(names) <= MOST_PACKAGES
    host.pip("base", "check")


def test_a_laptop_without_the_server_explains_how_to_get_it(host: Host) -> None:
    done = host.run("serve", check=False)
    assert done.returncode == 1
    advice = done.stderr.partition("run `")[2].rstrip("`\n")
    assert advice == f"/opt/base/bin/python -m pip install 'bootgrant[server] @ file://{host.wheel}'"


def test_the_server_a_laptop_and_a_machine_are_the_whole_journey(host: Host) -> None:
    with serving(host, "server") as site:
        assert "a machine will get through" in host.run("doctor", site.url, "--set", f"uuid={UUID}").stdout
        assert delivered(site) == MACHINE.encode()
        assert UUID in site.command("audit").stdout
        assert "no errors" in site.command("check").stdout
        site.command("reload")


@only_bookworm
def test_a_server_with_its_requests_in_postgresql(host: Host, postgres: Cluster) -> None:
    (host.root.folder / "tmp/password").write_text(PASSWORD)
    url = postgres.url(postgres.create(), password="")
    with serving(host, "postgres", "--database-url", url, "--database-password-file", "/tmp/password") as site:
        assert delivered(site) == MACHINE.encode()


@only_bookworm
def test_a_rehearsal_on_a_server_elsewhere(host: Host) -> None:
    with serving(host, "server") as site:
        words = ("rehearse", "--config", site.config, "--machines", "5")
        assert host.run(*words, extra="rehearse").returncode == 0


@only_bookworm
def test_a_login_looks_for_a_keyring(host: Host) -> None:
    done = host.run("login", "http://127.0.0.1:1", "--keyring", extra="keyring", check=False)
    assert done.returncode == 1
    assert "the keyring cannot be used" in done.stderr


@only_trixie
def test_uv_installs_it_as_a_tool(host: Host) -> None:
    root = host.root
    (root.folder / "tmp/lock.txt").write_text((ROOT / "requirements/lock.txt").read_text())
    root.run("python3", "-m", "venv", "/opt/uv")
    root.run("/opt/uv/bin/pip", "install", "--quiet", "--no-compile", "--require-hashes", "-r", "/tmp/lock.txt")
    flags = ("--constraints", CONSTRAINTS, "--python", "/usr/bin/python3")
    trust = "/etc/ssl/certs/ca-certificates.crt"
    root.run("/opt/uv/bin/uv", "tool", "install", *flags, host.requirement(), SSL_CERT_FILE=trust)
    program = "/root/.local/bin/bootgrant"
    missing = root.run(program, "serve", check=False)
    advice = missing.stderr.partition("run `")[2].rstrip("`\n")
    assert advice == f"uv tool install '{host.requirement('server')}'"
    root.run("sh", "-euc", f"PATH=/opt/uv/bin:$PATH; {advice} {' '.join(flags)}", SSL_CERT_FILE=trust)
    assert "From the approval to the configuration" in root.run(program, "demo", "--auto").stdout


@only_bookworm
@pytest.mark.skipif(os.environ.get("PACKAGING_LONG") != "1", reason="PACKAGING_LONG=1")
def test_pipx_installs_it_as_a_tool(host: Host) -> None:
    root = host.root
    root.run("python3", "-m", "venv", "/opt/pipx")
    root.run("/opt/pipx/bin/pip", "install", "--quiet", "pipx")
    root.run("/opt/pipx/bin/pipx", "install", f"--pip-args=--constraint {CONSTRAINTS}", host.requirement())
    program = "/root/.local/bin/bootgrant"
    missing = root.run(program, "serve", check=False)
    advice = missing.stderr.partition("run `")[2].rstrip("`\n")
    assert advice == f"pipx install --force '{host.requirement('server')}'"
    root.run("sh", "-euc", f"PATH=/opt/pipx/bin:$PATH PIP_CONSTRAINT={CONSTRAINTS}; export PIP_CONSTRAINT; {advice}")
    root.run(program, "demo", "--auto")


def test_what_belongs_outside_the_package_is_installed_from_it(host: Host) -> None:
    for kind in ("initramfs-tools", "dracut", "systemd", "completion", "man", "proxies", "grafana"):
        host.run("install", kind)
    host.run("install", "systemd-server", extra="server")
    unit = (host.root.folder / "etc/systemd/system/bootgrant.service").read_text()
    assert "ExecStart=/opt/server/bin/bootgrant serve " in unit
    explained = host.root.run("python3", "-I", "-S", "/usr/lib/bootgrant/bootgrant-acquire.pyz", "--help").stdout
    assert "bootgrant acquire" in explained
    host.root.run("sha256sum", "--check", "--quiet", "/usr/lib/bootgrant/configuration-files.sha256")
