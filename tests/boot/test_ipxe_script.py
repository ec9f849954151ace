"""iPXE runs the script of `bootgrant kernel-args --as ipxe`, and the variables reach the kernel unexpanded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import CONFIG
from bootgrant.acquire.cmdline.url_template import populate
from bootgrant.cli import main
from support.guest import Guest
from support.parts import installed_file, program

UUID = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab"


def what_ipxe_reads(folder: Path, line: str) -> str:
    """The words of ``line`` as iPXE passes them to a command, here ``echo``."""
    (folder / "script.ipxe").write_text(f"#!ipxe\necho BEGIN {line} END\n")
    command: list[str | Path] = [
        program("qemu-system-x86_64", "qemu-system-x86"), "-machine", "pc,accel=tcg", "-m", "256", "-nographic",
        "-kernel", installed_file(Path("/usr/lib/ipxe/ipxe.lkrn"), "ipxe"), "-initrd", folder / "script.ipxe",
        "-uuid", UUID, "-net", "none",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            guest = Guest(process, folder / "console.log")
            shown = guest.wait_for(r"BEGIN ((?:.|\n)*?) END", 120)[1]
        finally:
            process.kill()
    # The console has 80 columns and moves the cursor at the end of a line.
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\n", "", shown)


def test_ipxe_does_not_expand_the_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel-args", "--url", "https://boot.example", "--as", "ipxe"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("kernel "))
    words = line.split(" ", 3)[3]
    read = what_ipxe_reads(tmp_path, words)
    assert read == words
    url = parse_cmdline(read).first(CONFIG) or ""
    assert populate(url, {"uuid": "what the machine says"}, compat=True).endswith("/config?uuid=what+the+machine+says")


def test_ipxe_would_expand_unescaped_variables(tmp_path: Path) -> None:
    assert what_ipxe_reads(tmp_path, "uuid=${uuid}") == f"uuid={UUID}"
