"""The packages for Debian: installed as the page says in a Debian that has booted, upgraded, and removed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from support import parts
from support.booted_debian import BootedDebian, booted_debian
from support.debian_packages import ROOT, build_packages, build_wheel
from support.debian_root import DebianRoot
from support.grants import MAC, UUID
from support.recipes import Recipe
from support.site import CONFIG, kernel_parameters

SITE = "http://127.0.0.1:8080"
PAGE = Recipe("../install/debian", {"https://boot.example.org": SITE})
PYZ = "/usr/lib/bootgrant/bootgrant-acquire.pyz"
pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of one release, and those with +1 in their version."""

    first: dict[str, Path]
    second: dict[str, Path]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def release(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def built(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Packages]:
    """Build the packages of a release, once."""

    @cache
    def build(release: str) -> Packages:
        folder = tmp_path_factory.mktemp("packages")
        first = build_packages(release, wheel, folder / "first")
        return Packages(first, build_packages(release, wheel, folder / "second", "--suffix", "+1"))

    return build


@pytest.fixture(scope="module")
def packages(release: str, built: Callable[[str], Packages]) -> Packages:
    return built(release)


@pytest.fixture(scope="module")
def debian(release: str, packages: Packages, request: pytest.FixtureRequest) -> Iterator[BootedDebian]:
    """A booted Debian with the server, and the machine's half, installed as the page says."""
    root: DebianRoot = request.getfixturevalue(release)
    (root.folder / "etc/apt/apt.conf.d/yes").write_text('APT::Get::Assume-Yes "true";\n')
    for name in ("bootgrant", "bootgrant-acquire"):
        root.copy(packages.first[name], f"/root/{packages.first[name].name}")
    root.apt_install("systemd", "sudo")
    install = PAGE.blocks("sh", "The server")[0]
    root.run("sh", "-euc", f"cd /root\n{install}apt-get install --no-install-recommends ./bootgrant-acquire_*_all.deb")
    with booted_debian(root) as running:
        yield running


@pytest.fixture(scope="module")
def site(debian: BootedDebian) -> BootedDebian:
    """The same with a running server and the configuration of one machine."""
    _, settings, start, examples, _ = PAGE.blocks("sh", "The server")
    debian.shell(settings)
    assert "sign in as ana with the password " in debian.shell(start)
    debian.shell(examples)
    (debian.root.folder / f"etc/bootgrant/machines/{UUID}.yaml").write_text(CONFIG)
    return debian


@dataclass(frozen=True, slots=True)
class AskingMachine:
    """`bootgrant acquire` of the machine's package, which waits."""

    process: subprocess.Popen[str]
    code: str
    output: Path

    def delivered(self) -> str:
        """Wait until it has its configuration, and return that."""
        said = self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0, said
        return self.output.read_text()


def asking(debian: BootedDebian) -> AskingMachine:
    words = ("--cmdline", kernel_parameters(SITE), "--set", f"uuid={UUID}", "--set", f"mac={MAC}")
    process = debian.start("python3", "-I", "-S", PYZ, *words, "--output", "/root/machine.yaml", "--force")
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"enter the code ([A-Z]{4}-[A-Z]{4})", line):
            return AskingMachine(process, found[1], debian.root.folder / "root/machine.yaml")
    raise AssertionError(said)


def command(debian: BootedDebian, *words: str) -> str:
    """A command as the page says it: in the folder of the settings, as the server's user."""
    return debian.shell(f"cd /etc/bootgrant && sudo -u bootgrant bootgrant {' '.join(words)}")


def installed(debian: BootedDebian, package: str) -> str:
    status = debian.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Version}", package, check=False)
    return " ".join(status.stdout.split())


def test_nothing_runs_before_the_site_is_made(debian: BootedDebian, release: str) -> None:
    number = {"bookworm": 12, "trixie": 13}[release]
    assert re.fullmatch(rf"ii \S+~deb{number}", installed(debian, "bootgrant"))
    debian.run("systemctl", "start", "bootgrant.socket", "bootgrant.service")
    for unit in ("bootgrant.socket", "bootgrant.service", "bootgrant-acquire.service"):
        assert debian.run("systemctl", "is-active", unit, check=False).stdout == "inactive\n"


def test_systemd_accepts_every_unit(debian: BootedDebian) -> None:
    units = ("bootgrant.service", "bootgrant.socket", "bootgrant-people.socket", "bootgrant-acquire.service")
    verified = debian.run("systemd-analyze", "verify", *(f"/usr/lib/systemd/system/{name}" for name in units))
    assert [line for line in verified.stderr.splitlines() if "bootgrant" in line] == []


def test_manual_and_completion_are_where_debian_looks(debian: BootedDebian) -> None:
    share = debian.root.folder / "usr/share"
    for name in (
        "man/man1/bootgrant.1.gz", "man/man1/bootgrant-serve.1.gz", "bash-completion/completions/bootgrant",
        "zsh/vendor-completions/_bootgrant", "fish/vendor_completions.d/bootgrant.fish",
        "doc/bootgrant/copyright", "doc/bootgrant/changelog.gz",
    ):  # fmt: skip
        assert (share / name).is_file(), name


def test_the_machines_half_has_nothing_of_the_server(packages: Packages) -> None:
    for name in ("bootgrant-acquire", "bootgrant-initramfs"):
        fields = subprocess.run(["dpkg-deb", "-f", packages.first[name]], capture_output=True, text=True, check=True)
        depends = fields.stdout.partition("\nDepends: ")[2].partition("\n")[0]
        assert not re.search(r"\bbootgrant\b(?!-acquire)", depends)
        assert packages.first[name].stat().st_size < 5_000_000


def test_the_commands_of_the_page_make_a_running_site(site: BootedDebian) -> None:
    _, _, _, _, ask = PAGE.blocks("sh", "The server")
    assert "no errors" in site.shell(ask)
    folder = site.root.folder
    assert "main" in site.run("systemctl", "show", "bootgrant", "-p", "NotifyAccess").stdout
    process = site.run("systemctl", "show", "bootgrant", "-p", "MainPID", "--value").stdout.strip()
    assert site.run("stat", "-c", "%U", f"/proc/{process}").stdout == "bootgrant\n"
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in ("var/lib/bootgrant", "etc/bootgrant/machines")}
    assert modes == {"var/lib/bootgrant": 0o700, "etc/bootgrant/machines": 0o750}
    assert (folder / "etc/bootgrant/bootgrant.toml").stat().st_uid == 0


def test_a_machine_gets_its_configuration_after_an_approval(site: BootedDebian) -> None:
    machine = asking(site)
    command(site, "approve", machine.code)
    assert machine.delivered() == CONFIG


def test_an_upgrade_keeps_waiting_machines_settings_and_data(site: BootedDebian, packages: Packages) -> None:
    settings = site.root.folder / "etc/bootgrant/bootgrant.toml"
    settings.write_text(settings.read_text() + "\n[site]\nname = 'fra'\n")
    machine = asking(site)
    supervisor = site.run("systemctl", "show", "bootgrant", "-p", "MainPID", "--value").stdout
    for name in ("bootgrant", "bootgrant-acquire"):
        site.root.copy(packages.second[name], f"/root/second/{packages.second[name].name}")
    site.shell("sudo apt install ./second/bootgrant_*_amd64.deb ./second/bootgrant-acquire_*_all.deb")
    assert "+1~deb" in installed(site, "bootgrant")
    assert site.run("systemctl", "show", "bootgrant", "-p", "MainPID", "--value").stdout == supervisor
    assert machine.code in command(site, "pending")
    command(site, "approve", machine.code)
    assert machine.delivered() == CONFIG
    assert "name = 'fra'" in settings.read_text()
    assert "ana added by bootgrant init" in command(site, "audit")
    site.shell(PAGE.only("sh", "Upgrade"))
    assert "no machines" in command(site, "status")


def test_removing_keeps_the_data_and_purging_removes_it(site: BootedDebian, packages: Packages) -> None:
    folder = site.root.folder
    site.shell("sudo apt remove bootgrant")
    assert installed(site, "bootgrant").startswith("rc ")
    assert site.run("systemctl", "is-active", "bootgrant.socket", check=False).returncode != 0
    assert (folder / "var/lib/bootgrant/bootgrant.sqlite3").exists()
    assert not (folder / "usr/lib/bootgrant/venv").exists()
    site.shell("sudo apt install ./second/bootgrant_*_amd64.deb && sudo systemctl start bootgrant.service")
    assert "ana added by bootgrant init" in command(site, "audit")
    site.shell("sudo apt purge bootgrant bootgrant-acquire")
    places = ("etc/bootgrant", "var/lib/bootgrant", "usr/lib/bootgrant", "usr/bin/bootgrant")
    assert [place for place in places if (folder / place).exists()] == []
    assert list((folder / "etc/systemd/system").rglob("bootgrant*")) == []
    assert site.run("id", "-un", "bootgrant").stdout == "bootgrant\n"


def test_the_hooks_are_in_the_initramfs_after_the_installation(debian: BootedDebian, packages: Packages) -> None:
    """There is no kernel here, so the initramfs has no drivers."""
    root = debian.root
    root.apt_install("initramfs-tools")
    (root.folder / "etc/initramfs-tools/conf.d/modules").write_text("MODULES=list\n")
    (root.folder / "boot/config-1.0").write_text("CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n")
    root.run("sh", "-euc", "mkdir -p /lib/modules/1.0 && depmod 1.0 && touch /boot/vmlinuz-1.0 /boot/initrd.img-1.0")
    for name in ("bootgrant-acquire", "bootgrant-initramfs"):
        root.copy(packages.first[name], f"/root/hooks/{packages.first[name].name}")
    root.run("sh", "-euc", f"cd /root/hooks\n{PAGE.blocks('sh', 'A machine')[0]}")
    listing = root.run("lsinitramfs", "/boot/initrd.img-1.0").stdout.splitlines()
    for name in ("usr/lib/bootgrant/bootgrant-acquire.pyz", "scripts/local-bottom/bootgrant", "usr/bin/python3"):
        assert name in listing


def test_the_same_sources_are_the_same_bytes_in_another_folder(
    wheel: Path, built: Callable[[str], Packages], tmp_path: Path
) -> None:
    other = tmp_path / "somewhere/else"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", ".*_cache", "build", "dist", "__pycache__")
    shutil.copytree(ROOT, other, ignore=ignored, symlinks=True)
    (other / ".cache").symlink_to(ROOT / ".cache")
    again = build_wheel(tmp_path / "wheel", checkout=other)
    assert again.read_bytes() == wheel.read_bytes()
    packages = build_packages("trixie", again, tmp_path / "packages", checkout=other)
    assert {name: path.read_bytes() for name, path in packages.items()} == {
        name: path.read_bytes() for name, path in built("trixie").first.items()
    }


def test_lintian_finds_no_mistake(built: Callable[[str], Packages]) -> None:
    lintian = parts.program("lintian", "lintian")
    files = [str(path) for path in built("trixie").first.values()]
    # Not compressed, to save time.
    uncompressed = "uses-no-compression-for-data-tarball,uses-no-compression-for-control-tarball"
    strict = ("--fail-on", "error,warning", "--suppress-tags", uncompressed)
    done = subprocess.run([lintian, *strict, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
