"""The image of the server: built twice, then run by crun as process 1 with a read-only root and two volumes."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from bootgrant import __version__
from support import parts
from support.compose_site import HOST, ComposeSite, compose_site, copied, ended, project
from support.grants import UUID
from support.oci_image import Container, Image, listing, unpack, volume
from support.site import (
    CONFIG,
    Machine,
    bootgrant,
    booting,
    clean_environment,
    free_port,
    kernel_parameters,
    wait_until,
)

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED_URL = "https://boot.example.org"
CONTAINERFILE = ROOT / "packaging/container/Containerfile"
pytestmark = pytest.mark.timeout(900)
OTHER = UUID.replace("40dc", "41dc")
OWN_SIZE = 60 << 20
"""Bytes at most, packed, on top of the base."""


def build(folder: Path, packages: str = "") -> Path:
    """Build the image as `make image` does, and return the archive, which is kept in ``folder``."""
    parts.root_rights("to make an image")
    for program in ("buildah", "crun"):
        parts.program(program, program)
    done = subprocess.run(
        ["make", "image", f"PACKAGES={packages}"], cwd=ROOT, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [archive] = (ROOT / "dist").glob(f"bootgrant-{__version__}-*.oci.tar")
    return archive.rename(folder / archive.name)


def documented(command: str) -> list[str]:
    """The words after the image's name that docs/install/container.md gives to a command."""
    text = (ROOT / "docs/install/container.md").read_text().replace("\\\n", " ")
    [line] = re.findall(rf"^docker run .* bootgrant +({command} .*)$", text, re.MULTILINE)
    return shlex.split(line)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def image(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return unpack(archive, tmp_path_factory.mktemp("image"))


class Host:
    """A host with the two volumes, where containers of an image serve a site."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.folder = folder
        self.owner = int(image.config["User"].partition(":")[0])
        self.volumes = {inside: volume(folder / inside.strip("/"), self.owner) for inside in ("/data", "/machines")}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"

    def container(self, image: Image, user: str = "") -> Container:
        count = len(list(self.folder.glob("container-*")))
        # The network is this computer's, so the port is not the image's.
        variables = {"BOOTGRANT_LISTEN": f"127.0.0.1:{self.port}"}
        return Container(image, self.folder / f"container-{count}", self.volumes, variables, user)

    def init(self, image: Image) -> None:
        done = self.container(image).run(*(self.url if word == DOCUMENTED_URL else word for word in documented("init")))
        assert done.returncode == 0, done.stderr
        machine = self.volumes["/machines"] / f"{UUID}.yaml"
        machine.write_text(CONFIG)
        os.chown(machine, self.owner, 0)

    @contextmanager
    def serving(self, image: Image) -> Iterator[tuple[Container, subprocess.Popen[str]]]:
        """A container that serves until the block ends. On the way it is healthy."""
        container = self.container(image)
        with self.log.open("a") as log, container.started(log) as process:
            wait_until(lambda: self.is_well() or process.poll() is not None, "the container serves", 60)
            assert process.poll() is None, self.log.read_text()
            yield container, process

    def is_well(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False


@pytest.fixture(scope="module")
def host(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Host:
    host = Host(image, tmp_path_factory.mktemp("host"))
    host.init(image)
    return host


def ask(host: Host, mac: str) -> tuple[str, str]:
    form = {"client_id": "talos", "uuid": UUID, "mac": mac}
    answer = httpx2.post(f"{host.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return answer["user_code"], answer["device_code"]


def fetch(host: Host, device_code: str) -> str:
    """The configuration that the machine of this code gets."""
    form = {"client_id": "talos", "device_code": device_code}
    form["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code"
    token = httpx2.post(f"{host.url}/token", data=form, trust_env=False, timeout=60).raise_for_status().json()
    headers = {"authorization": f"Bearer {token['access_token']}"}
    return httpx2.get(f"{host.url}/config?uuid={UUID}", headers=headers, trust_env=False).raise_for_status().text


def test_the_image_says_what_it_is_and_is_not_root(image: Image) -> None:
    config, labels = image.config, image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("10001:0", ["bootgrant"], ["serve"])
    assert set(config["Volumes"]) == {"/data", "/machines"}
    for folder in config["Volumes"]:
        stat = (image.root / folder.strip("/")).stat()
        assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (10001, 0, 0o770)
        assert not any((image.root / folder.strip("/")).iterdir())


def test_its_own_layers_are_small_and_have_no_secret_and_no_installer(image: Image) -> None:
    own = sum(layer.stat().st_size for layer in image.own)
    print(f"{image.size / 1e6:.1f} MB packed, {own / 1e6:.1f} MB of it on top of the base ({platform.machine()})")
    assert own < OWN_SIZE
    names = [
        name
        for layer in image.own
        for name in subprocess.run(["tar", "-tzf", layer], check=True, capture_output=True, text=True).stdout.split(
            "\n"
        )
    ]
    suspicious = re.compile(r"pip\.conf|\.netrc|\.git/|/pip/|secrets/|ca-certificates\.crt|\.wh\.|^(tmp|root|build)/.")
    assert not [name for name in names if suspicious.search(name)]
    assert "pip" not in json.dumps(image.config).lower()


def test_the_same_sources_are_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert subprocess.run(["cmp", archive, again], capture_output=True).returncode == 0


@pytest.mark.skipif("PACKAGING_LONG" not in os.environ, reason="PACKAGING_LONG=1 runs it: it takes one more build")
def test_more_packages_of_debian_can_be_added(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    image = unpack(build(tmp_path, "git openssh-client"), tmp_path / "image")
    image.config["Entrypoint"] = ["git"]
    assert Host(image, tmp_path).container(image).run("--version").stdout.startswith("git version")


def test_the_demo_runs_in_it(image: Image, tmp_path: Path) -> None:
    done = Host(image, tmp_path).container(image).run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "approve" in done.stdout


def test_without_a_site_it_ends_and_says_how_to_make_one(image: Image, tmp_path: Path) -> None:
    done = Host(image, tmp_path).container(image).run()
    assert done.returncode == 1
    assert "/data/bootgrant.toml does not exist: create a site with `bootgrant init /data`" in done.stderr


def test_a_volume_of_another_user_is_named_in_the_error(image: Image, tmp_path: Path) -> None:
    host = Host(image, tmp_path)
    os.chown(host.volumes["/machines"], 0, 0)
    host.volumes["/machines"].chmod(0o755)
    done = host.container(image).run("init", "/data")
    assert done.returncode == 1
    assert re.search(r"/machines.* cannot be written by user 10001: Permission denied", done.stderr), done.stderr
    assert not (host.volumes["/data"] / "bootgrant.toml").exists()


def test_the_platform_may_choose_the_user_number(image: Image, tmp_path: Path) -> None:
    host = Host(image, tmp_path)
    nameless = host.container(image, "123456:0").run("init", "/data")
    assert (nameless.returncode, "--operator" in nameless.stderr) == (2, True)
    assert host.container(image, "123456:0").run("init", "/data", "--operator", "ana").returncode == 0
    checked = host.container(image, "123456:0").run("check")
    assert checked.returncode == 0, checked.stderr


def test_the_file_of_a_new_site_says_where_things_are_in_the_image(image: Image, host: Host) -> None:
    written = (host.volumes["/data"] / "bootgrant.toml").read_text()
    assert 'machines = "/machines"' in written
    assert image.environment["BOOTGRANT_LISTEN"] == ":8080"
    assert (host.volumes["/machines"] / "machines.yaml").exists()


def test_a_machine_is_approved_in_the_container(image: Image, host: Host, tmp_path: Path) -> None:
    with host.serving(image) as (container, _), booting(host.url, tmp_path) as machine:
        approved = container.execute("bootgrant", "approve", machine.code())
        assert approved.returncode == 0, approved.stderr
        assert machine.delivered() == CONFIG


def health_check() -> list[str]:
    """The command of HEALTHCHECK. The OCI format has no place for it, the file has."""
    [found] = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", CONTAINERFILE.read_text(), re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def test_the_health_check_sees_a_server_that_does_not_answer(image: Image, host: Host) -> None:
    with host.serving(image) as (container, _):
        well = container.execute(*health_check())
        assert (well.returncode, well.stdout, well.stderr) == (0, "ok\n", "")
        assert container.execute(*health_check(), "--ready").stdout == "ready\n"
        server = container.server()
        os.kill(server, signal.SIGSTOP)
        stuck = container.execute(*health_check())
        os.kill(server, signal.SIGCONT)
        assert (stuck.returncode, "did not answer" in stuck.stderr) == (1, True)
        assert container.execute(*health_check()).returncode == 0
    gone = host.container(image).run(*health_check()[1:])
    assert (gone.returncode, "the server is not running" in gone.stderr) == (1, True)


def test_sigterm_ends_it_cleanly_and_the_volume_keeps_codes_and_approvals(
    image: Image, host: Host, tmp_path: Path
) -> None:
    with host.serving(image) as (container, process):
        code, device_code = ask(host, "52:54:00:00:00:01")
        assert container.execute("bootgrant", "approve", code).returncode == 0
        with booting(host.url, tmp_path) as machine:
            waiting = machine.code()
            container.signal("TERM")
            assert process.wait(60) == 0
            with host.serving(upgraded(image, tmp_path)) as (newer, _):
                assert "version         9.9.9" in newer.execute("bootgrant", "status").stdout
                assert fetch(host, device_code) == CONFIG
                approved = newer.execute("bootgrant", "approve", waiting)
                assert approved.returncode == 0, approved.stderr
                assert (machine.delivered(), machine.codes()) == (CONFIG, [waiting])
    assert "Traceback" not in host.log.read_text()


def upgraded(image: Image, folder: Path) -> Image:
    """The image of a later version: the same files, except for the number."""
    root = folder / "upgraded"
    subprocess.run(["cp", "--archive", "--link", image.root, root], check=True)
    [package] = root.glob("opt/bootgrant/lib/python3.*/site-packages/bootgrant")
    source = package / "__init__.py"
    text = source.read_text().replace(__version__, "9.9.9")
    for old in (source, *(package / "__pycache__").glob("__init__.*")):
        old.unlink()
    source.write_text(text)
    return replace(image, root=root)


def test_nothing_outside_the_volumes_was_written(image: Image) -> None:
    assert listing(image.root) == image.files


def test_compose_reads_the_project_and_needs_the_name(tmp_path: Path) -> None:
    read = project(copied(tmp_path / "good"))
    service = read["services"]["bootgrant"]
    assert (service["image"], service["read_only"], service["deploy"]["replicas"]) == ("bootgrant", True, 1)
    assert service["healthcheck"]["test"] == ["CMD", *health_check()]
    assert project(copied(tmp_path / "two", BOOT_REPLICAS="2"))["services"]["bootgrant"]["deploy"]["replicas"] == 2
    (copied(tmp_path / "bad") / ".env").unlink()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        project(tmp_path / "bad")
    assert "the name that machines and people use" in refused.value.stderr


def test_two_servers_of_the_compose_project_share_their_machines(image: Image, tmp_path: Path) -> None:
    with compose_site(tmp_path, image) as site:
        made = site.server(0).run("init", "/data", "--operator", "ana")
        assert made.returncode == 0, made.stderr
        for name in (UUID, OTHER):
            machine = site.volumes["/machines"] / f"{name}.yaml"
            machine.write_text(CONFIG)
            machine.chmod(0o644)
        with ExitStack() as caddy:
            with site.serving(0) as first:
                caddy.enter_context(site.caddy())
                with site.serving(1) as second:
                    assert acquired(site, UUID, tmp_path, second) == CONFIG
                    assert ", 2 servers" in first.execute("bootgrant", "status").stdout
                assert acquired(site, OTHER, tmp_path, first) == CONFIG
                # Not the address of Caddy.
                assert HOST in first.execute("bootgrant", "audit").stdout
            assert site.post("/token") == (400, '{"error":"authorization_pending"}')
            assert site.post("/config") == (503, "server away, retrying")
    password = Path(site.project["secrets"]["database_password"]["file"]).read_text().strip()
    logs = "".join(path.read_text() for path in site.folder.glob("*.log"))
    assert password not in logs + (site.volumes["/data"] / "bootgrant.toml").read_text()


def acquired(site: ComposeSite, uuid: str, folder: Path, server: Container) -> str:
    """What a machine gets over HTTPS, after an approval on ``server``."""
    words = ("--cmdline", kernel_parameters(site.url), "--set", f"uuid={uuid}", "--set", "mac=52:54:00:00:00:01")
    output, console = folder / f"{uuid}.yaml", folder / f"{uuid}.console"
    acquire = [*site.within, *bootgrant("acquire", *words, "--ca", str(site.authority), "--output", str(output))]
    with console.open("wb") as screen:
        process = subprocess.Popen(acquire, stdin=subprocess.DEVNULL, stderr=screen, env=clean_environment())
    with ended(process):
        machine = Machine(process, output, console)
        approved = server.execute("bootgrant", "approve", machine.code())
        assert approved.returncode == 0, approved.stderr
        return machine.delivered()
