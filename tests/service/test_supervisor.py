"""`bootgrant serve` as two processes: the sockets stay open while the server behind them dies or is replaced."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bootgrant.service.supervisor.places import socket_address
from support.grants import UUID
from support.parts import program
from support.site import Served, bootgrant, children, clean_environment, free_port, served, wait_until

_MEBIBYTE = 1024


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def memory_of(pid: int) -> int:
    """Resident KiB of a process."""
    (found,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found)


def health(site: Served) -> int:
    return httpx2.get(f"{site.url}/healthz", trust_env=False, timeout=30).status_code


def replaced(site: Served, former: int) -> bool:
    now = children(site.process.pid)
    return len(now) == 1 and now != [former]


def refused(site: Served) -> subprocess.CompletedProcess[str]:
    """A `bootgrant serve` of this site that ends by itself."""
    return subprocess.run(
        bootgrant("serve", "--config", str(site.made.config)),
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )


def test_the_supervisor_is_small_and_loads_nothing_of_the_server(site: Served) -> None:
    assert memory_of(site.process.pid) < 20 * _MEBIBYTE
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", "import sys, bootgrant.service.supervisor.supervisor; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("bootgrant")}
    outside = {"asyncio", "logging", "ssl", "sqlite3", "uvicorn", "starlette", "argparse"} & set(loaded)
    allowed = ("bootgrant", "bootgrant.service")
    assert not outside
    assert all(name in allowed or name.startswith("bootgrant.service.supervisor") for name in ours)


def test_a_killed_server_refuses_no_connection(site: Served) -> None:
    former = site.server_pid
    site.kill_server()
    assert health(site) == 200
    assert replaced(site, former)
    assert "the server ended (signal 9, SIGKILL): starting it again at once" in site.log


def test_a_server_that_ends_by_itself_is_started_again(site: Served) -> None:
    former = site.server_pid
    os.kill(former, signal.SIGTERM)
    wait_until(lambda: replaced(site, former), "another server runs")
    assert health(site) == 200


def test_local_commands_wait_for_the_next_server(site: Served) -> None:
    site.kill_server()
    pending = site.command("pending", "--json")
    assert pending.returncode == 0, pending.stderr


def test_removed_socket_files_are_made_again_by_the_next_server(site: Served) -> None:
    for file in (site.folder / "data").glob("*.sock"):
        file.unlink()
    site.kill_server()
    wait_until(lambda: site.log.count(" serving http") == 2, "the next server serves")
    for _ in range(2):
        assert site.command("reload").returncode == 0
        assert site.command("pending").returncode == 0


def test_reload_replaces_the_server_with_the_present_settings(site: Served) -> None:
    former, supervisor = site.server_pid, site.process.pid
    settings = site.made.config.read_text()
    site.made.config.write_text(re.sub(r'(?m)^format = "text"', 'format = "json"', settings))
    done = site.command("reload")
    assert (done.returncode, done.stdout) == (0, "the new server serves\n")
    assert site.process.pid == supervisor
    assert replaced(site, former)
    assert site.process.poll() is None
    assert json.loads(site.log.splitlines()[-1])["message"].startswith("serving http")


def test_a_reload_with_wrong_settings_keeps_the_running_server(site: Served) -> None:
    former = site.server_pid
    settings = site.made.config.read_text()
    site.made.config.write_text(settings.replace("public_url", "public_ulr", 1))
    site.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "so the running one keeps serving" in site.log, "the next server is refused")
    assert "public_ulr" in site.log
    assert site.server_pid == former
    assert health(site) == 200
    site.made.config.write_text(settings)
    assert site.command("reload").returncode == 0
    assert replaced(site, former)


def test_a_reload_moves_to_another_address(site: Served) -> None:
    before = site.url
    port = free_port()
    settings = site.made.config.read_text()
    site.made.config.write_text(re.sub(r"(?m)^listen = .*$", f'listen = "127.0.0.1:{port}"', settings, count=1))
    assert site.command("reload").returncode == 0
    site.url = f"http://127.0.0.1:{port}"
    assert health(site) == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{before}/healthz", trust_env=False)


def test_no_request_is_refused_while_servers_are_replaced(site: Served) -> None:
    answers: list[int] = []
    failures: list[Exception] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(health(site))
            except httpx2.HTTPError as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        assert site.command("reload").returncode == 0
    asked = len(answers)
    wait_until(lambda: len(answers) > asked + 20, "requests are answered after the last reload")
    over.set()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert set(answers) == {200}


def test_sigterm_ends_all_and_removes_the_sockets(site: Served) -> None:
    server = site.server_pid
    assert site.stop() == 0
    assert not Path(f"/proc/{server}").exists()
    assert not list((site.folder / "data").glob("*.sock"))


def test_the_server_ends_with_its_supervisor(site: Served) -> None:
    handle = os.pidfd_open(site.server_pid)
    site.process.kill()
    site.process.wait()
    with os.fdopen(handle, "rb") as ended:
        import select

        assert select.select([ended], [], [], 30)[0]


def test_wrong_settings_at_the_first_start_end_it_with_one_message(site: Served) -> None:
    site.stop()
    site.made.config.write_text("bogus = 1\n")
    run = refused(site)
    assert run.returncode == 1
    assert run.stderr.count("bogus") == 1
    assert "Traceback" not in run.stderr


def test_a_second_server_of_the_same_folder_does_not_disturb_the_first_one(site: Served) -> None:
    second = refused(site)
    assert second.returncode == 1
    assert "in use by another bootgrant" in second.stderr
    assert health(site) == 200
    assert site.command("reload").returncode == 0
    assert site.command("pending").returncode == 0


def test_a_server_that_cannot_start_any_more_is_tried_again_with_a_growing_pause(site: Served) -> None:
    settings = site.made.config.read_text()
    site.made.config.write_text("bogus = 1\n")
    site.kill_server()
    wait_until(lambda: "starting it again in 0.25 s" in site.log, "the second attempt has failed")
    wait_until(lambda: "starting it again in 0.5 s" in site.log, "the third attempt has failed")
    site.made.config.write_text(settings)
    assert health(site) == 200


def test_systemd_learns_when_it_serves_is_replaced_and_stops(tmp_path: Path, site: Served) -> None:
    site.stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        process = subprocess.Popen(
            bootgrant("serve", "--config", str(site.made.config)),
            env={**clean_environment(), "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.DEVNULL,
        )
        try:
            assert manager.recv(4096) == b"READY=1"
            process.send_signal(signal.SIGHUP)
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(4096))
            assert manager.recv(4096) == b"READY=1"
            process.terminate()
            assert manager.recv(4096) == b"STOPPING=1"
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_as_process_1_it_collects_strangers_and_obeys_signals(tmp_path: Path, site: Served) -> None:
    """In a PID namespace of its own, as in a container."""
    unshare = str(program("unshare", "util-linux"))
    site.stop()
    words = bootgrant("serve", "--config", str(site.made.config))
    with (tmp_path / "log").open("wb") as log:
        launch = subprocess.Popen(
            [unshare, "--pid", "--fork", "--mount-proc", "--kill-child", *words], env=clean_environment(), stderr=log
        )
    try:
        wait_until(lambda: " serving http" in (tmp_path / "log").read_text(), "it serves")
        (first,) = children(launch.pid)
        (server,) = children(first)
        os.kill(server, signal.SIGKILL)
        assert health(site) == 200
        os.kill(first, signal.SIGTERM)
        assert launch.wait(30) == 0
    finally:
        launch.kill()


def test_a_log_that_cannot_be_written_does_not_end_the_supervisor(site: Served) -> None:
    site.stop()
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            bootgrant("serve", "--config", str(site.made.config)), stderr=full, env=clean_environment()
        )
    try:
        wait_until(lambda: children(process.pid) and answers(site), "it serves")
        os.kill(children(process.pid)[0], signal.SIGKILL)
        assert health(site) == 200
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


def answers(site: Served) -> bool:
    try:
        return health(site) == 200
    except httpx2.HTTPError:
        return False


@pytest.mark.parametrize(("before", "after"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("", "127.0.0.1")])
def test_the_address_can_change_where_the_port_stays(tmp_path: Path, before: str, after: str) -> None:
    with served(tmp_path) as site:
        port = site.url.rpartition(":")[2]
        settings = site.made.config.read_text()
        for host in (before, after):
            site.made.config.write_text(re.sub(r"(?m)^listen = .*$", f'listen = "{host}:{port}"', settings, count=1))
            done = site.command("reload")
            assert done.returncode == 0, done.stderr
            assert health(site) == 200


def test_a_repository_that_does_not_answer_delays_no_reload(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/machines.git"
        with served(tmp_path) as site:
            settings = site.made.config.read_text()
            site.made.config.write_text(
                settings.replace("[git]", f'[git]\nurl = "{url}"', 1).replace('\nurl = ""', "", 1)
            )
            for _ in range(2):
                assert site.command("reload").returncode == 0
            assert "did not do in time" not in site.log


def test_a_reload_while_no_server_can_start_says_so(site: Served) -> None:
    settings = site.made.config.read_text()
    site.made.config.write_text("bogus = 1\n")
    site.kill_server()
    wait_until(lambda: "starting it again in 0.5 s" in site.log, "no server starts")
    with socket_address(site.folder / "data/control.sock") as address, socket.socket(socket.AF_UNIX) as control:
        control.settimeout(60)
        control.connect(address)
        assert "no server runs: the next one did not start" in control.makefile().readline()
    site.made.config.write_text(settings)
    assert health(site) == 200


def test_a_code_survives_the_server_that_issued_it(site: Served) -> None:
    form = {"client_id": "talos", "uuid": UUID}
    codes = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).json()
    site.kill_server()
    assert site.command("approve", codes["user_code"]).returncode == 0
    site.kill_server()
    poll = {
        "client_id": "talos",
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": codes["device_code"],
    }
    answer = httpx2.post(f"{site.url}/token", data=poll, trust_env=False, timeout=30)
    assert "access_token" in answer.json()
