"""From the output of `bootgrant kernel-args` to the configuration, over HTTPS with a private CA."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.cli import main
from support.certificates import Authority
from support.site import CONFIG, Served, booting, served
from support.tls_front import tls_front


@pytest.mark.parametrize("mode", [[], ["--compat", "talos"]], ids=["acquire", "as Talos"])
def test_a_machine_boots_with_the_printed_parameters(
    mode: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    with served(tmp_path) as site, tls_front(authority.server("IP:127.0.0.1"), _port(site)) as port:
        where = ("--url", f"https://127.0.0.1:{port}", "--ca", str(authority.certificate))
        assert main(["kernel-args", *where]) == 0
        cmdline, warnings = capsys.readouterr()
        assert warnings == ""
        with booting(site.url, tmp_path, "--cmdline", cmdline, *mode) as machine:
            assert site.command("approve", machine.code()).returncode == 0
            assert machine.delivered() == CONFIG


def test_the_doctor_accepts_the_printed_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path)
    with (
        served(tmp_path, settings='hold = "0s"') as site,
        tls_front(authority.server("IP:127.0.0.1"), _port(site)) as port,
    ):
        assert main(["kernel-args", "--url", f"https://127.0.0.1:{port}", "--ca", str(authority.certificate)]) == 0
        assert main(["doctor", "--cmdline", capsys.readouterr().out]) == 0
        found = capsys.readouterr().out
    assert "error" not in found
    assert f"the certificate of https://127.0.0.1:{port} is valid" in found


def _port(site: Served) -> int:
    return int(site.url.rpartition(":")[2])
