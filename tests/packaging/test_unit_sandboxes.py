"""The sandboxes of the units: how exposed systemd finds them, and that the server does all of its work inside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from support.grants import MAC, UUID
from support.machine import DEVICE_GRANT, TALOS
from support.parts import program
from support.postgres_cluster import PASSWORD, Cluster
from support.site import (
    CONFIG,
    Served,
    bootgrant,
    children,
    clean_environment,
    kernel_parameters,
    served,
    wait_until,
)
from support.unit_sandbox import Sandbox, sandbox_of, settings_of

UNITS = Path(__file__).resolve().parents[2] / "packaging" / "systemd"
PROBE = """
import ctypes, errno, json, mmap, os, socket, sys
def tried(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
print(json.dumps({
    "etc": tried(lambda: open("/etc/bootgrant-probe", "w")),
    "state": tried(lambda: open(sys.argv[1] + "/probe", "w")),
    "packet": tried(lambda: socket.socket(17, 3)),
    "kernel": tried(lambda: open("/proc/sys/kernel/hostname", "w")),
    "code": tried(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "chroot": tried(lambda: os.chroot("/")),
    "setid": tried(lambda: os.chmod(sys.argv[1] + "/probe", 0o4755)),
    "memory": tried(lambda: open("/dev/mem")),
}), file=sys.stderr)
"""


@pytest.mark.parametrize(("unit", "most"), [("bootgrant.service", 2.0), ("bootgrant-acquire.service", 4.0)])
def test_systemd_finds_the_unit_little_exposed(unit: str, most: float) -> None:
    analyze = program("systemd-analyze", "systemd")
    command = [str(analyze), "security", "--offline=true", "--no-pager", str(UNITS / unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < most


def test_the_units_limit_memory_and_the_server_outlives_that_limit() -> None:
    server, acquire = (settings_of(UNITS / name) for name in ("bootgrant.service", "bootgrant-acquire.service"))
    assert (server["MemoryMax"], acquire["MemoryMax"]) == (["3G"], ["512M"])
    # The supervisor must survive the end of its server: only it keeps the sockets open.
    assert server["OOMPolicy"] == ["continue"]


def test_systemd_learns_when_the_server_answers_and_how_it_is_replaced() -> None:
    server = settings_of(UNITS / "bootgrant.service")
    assert (server["Type"], server["NotifyAccess"], server["KillMode"]) == (["notify"], ["main"], ["mixed"])
    (start,), (reload,) = server["ExecStart"], server["ExecReload"]
    assert start.replace(" serve ", " reload ") == reload


def test_the_sockets_are_for_this_computer_like_the_setting_that_they_replace() -> None:
    for name in ("bootgrant.socket", "bootgrant-people.socket"):
        (place,) = re.findall(r"(?m)^ListenStream=(.+)$", (UNITS / name).read_text())
        assert place.startswith("127.0.0.1:")


@contextmanager
def sandboxed(site: Served, sandbox: Sandbox, **environment: str) -> Iterator[None]:
    """Run the site's server in the sandbox instead of outside."""
    log_file = site.folder / "sandboxed.log"
    with log_file.open("wb") as log:
        command = bootgrant("serve", "--config", str(site.made.config))
        process = sandbox.start(command, log, {**clean_environment(), **environment})
        try:
            wait_until(
                lambda: b"serving http" in log_file.read_bytes() or process.poll() is not None, "the server serves"
            )
            assert process.poll() is None, log_file.read_text()
            yield
        finally:
            # bubblewrap itself waits for the supervisor, which systemd would signal.
            for supervisor in children(process.pid):
                os.kill(supervisor, signal.SIGTERM)
            status = process.wait(30)
    assert status == 0, log_file.read_text()
    assert b"Traceback" not in log_file.read_bytes()
    assert b"that answers for this server" not in log_file.read_bytes()
    assert b"not permitted" not in log_file.read_bytes()


@pytest.fixture
def unit() -> Path:
    return UNITS / "bootgrant.service"


def test_the_sandbox_of_these_tests_is_closed(unit: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with (tmp_path / "log").open("wb") as log:
        sandbox = sandbox_of(unit, tmp_path, state)
        process = sandbox.start([sys.executable, "-c", PROBE, str(state)], log, clean_environment())
    assert process.wait(30) == 0, (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().strip() == (
        '{"etc": "EROFS", "state": "done", "packet": "EPERM", "kernel": "EROFS", "code": "EPERM", "chroot": "EPERM", '
        '"setid": "EPERM", "memory": "ENOENT"}'
    )
    assert (state / "probe").stat().st_mode & 0o777 == 0o600


def goes_through(site: Served) -> None:
    """Let a machine ask, be approved over the admin socket, and fetch; sign in with a password."""
    with httpx2.Client(base_url=site.url, timeout=60) as client:
        codes = client.post("/device/code", data=TALOS).json()
        approved = site.command("approve", codes["user_code"])
        assert approved.returncode == 0, approved.stderr
        form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        access_token = client.post("/token", data=form).json()["access_token"]
        answer = client.get("/config", headers={"Authorization": f"Bearer {access_token}"})
        assert (answer.status_code, answer.text) == (200, CONFIG)
        sign_in = {"name": "ana", "password": site.made.password.reveal(), "next": "/"}
        assert client.post("/login", data=sign_in, headers={"origin": site.url}).status_code == 303
        assert "bootgrant_info" in client.get("/metrics").text
        assert "process_start_time_seconds" in client.get("/metrics").text


def test_the_server_does_all_of_its_work_in_the_sandbox_of_its_unit(unit: Path, tmp_path: Path) -> None:
    """Configurations from a git repository with signed commits, evidence of a command, and a reload."""
    upstream = signed_repository(tmp_path / "upstream")
    (tmp_path / "answer.json").write_text('{"evidence": [{"verdict": "match", "detail": "powered on"}]}')
    command = f"cat >/dev/null; cat {tmp_path}/answer.json"
    evidence = f'\n[[evidence.exec]]\nname = "bmc"\ncommand = ["/bin/sh", "-c", "{command}"]\nlimit = "5s"\n'
    with served(tmp_path, machine=None, more=evidence) as site:
        assert site.stop() == 0
        git = {
            "BOOTGRANT_GIT_URL": f"file://{upstream}",
            "BOOTGRANT_GIT_FOLDER": "machines",
            "BOOTGRANT_GIT_SIGNERS_FILE": str(upstream / "signers"),
        }
        with sandboxed(site, sandbox_of(unit, tmp_path, tmp_path), **git):
            goes_through(site)
            reloaded = site.command("reload")
            assert reloaded.returncode == 0, reloaded.stderr
            goes_through(site)
        assert "evidence command bmc" not in (site.folder / "sandboxed.log").read_text()
        private = [path for path in (site.folder / "data").rglob("*") if path.is_file()]
        assert private
        assert not [path for path in private if path.stat().st_mode & 0o077]


def test_the_server_reaches_postgresql_in_the_sandbox_of_its_unit(
    unit: Path, tmp_path: Path, postgres: Cluster
) -> None:
    password, name = tmp_path / "database-password", postgres.create()
    password.write_text(PASSWORD)
    database = {"database.url": postgres.url(name, ""), "database.password_file": str(password)}
    with served(tmp_path, database=database) as site:
        assert site.stop() == 0
        with sandboxed(site, sandbox_of(unit, tmp_path, tmp_path)):
            goes_through(site)
    postgres.drop(name)


def test_a_machine_gets_its_configuration_in_the_sandbox_of_its_unit(tmp_path: Path) -> None:
    state = tmp_path / "var"
    state.mkdir()
    acquire = sandbox_of(UNITS / "bootgrant-acquire.service", tmp_path, state)
    # As in the unit, which runs a file of its own.
    machine = [
        "--cmdline",
        "",
        "--set",
        f"uuid={UUID}",
        "--set",
        f"mac={MAC}",
        "--nocloud",
        str(state / "seed/nocloud"),
        "--expect",
        "any",
    ]
    with served(tmp_path) as site:
        machine[1] = kernel_parameters(site.url)
        console = tmp_path / "console"
        with console.open("wb") as screen:
            process = acquire.start(bootgrant("acquire", *machine), screen, clean_environment())
        wait_until(lambda: re.search(rb"[B-Z]{4}-[B-Z]{4}", console.read_bytes()), "the machine shows its code")
        code = re.search(rb"[B-Z]{4}-[B-Z]{4}", console.read_bytes())
        assert code is not None
        assert site.command("approve", code[0].decode()).returncode == 0
        assert process.wait(60) == 0, console.read_text()
    assert (state / "seed/nocloud/user-data").read_text() == CONFIG
    made = [state / "seed", state / "seed/nocloud", state / "seed/nocloud/user-data", state / "seed/nocloud/meta-data"]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o600, 0o600]


def signed_repository(folder: Path) -> Path:
    """Make a repository with the configuration of the machine UUID, and one signed commit."""
    (folder / "machines").mkdir(parents=True)
    (folder / "machines" / f"{UUID}.yaml").write_text(CONFIG)
    key = folder.parent / "key"
    subprocess.run(
        [str(program("ssh-keygen", "openssh-client")), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True
    )
    (folder / "signers").write_text(f"ana@example {key.with_suffix('.pub').read_text()}")
    words = [
        "-c",
        "user.name=t",
        "-c",
        "user.email=ana@example",
        "-c",
        "gpg.format=ssh",
        "-c",
        f"user.signingkey={key}",
    ]
    git = [str(program("git", "git")), "-C", str(folder), *words]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-S", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    return folder
