"""The machine reads the parameters that were meant: each form is read back with its boot loader's own rules."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.settings import Settings, read_settings
from bootgrant.acquire.cmdline.url_template import populate
from bootgrant.loaders.parameters import BootParameters, config_url, endpoints
from bootgrant.loaders.urls import CannotWrite
from bootgrant.loaders.writing import BootFiles, Form, write
from bootgrant.wire.secret import Secret
from support.grants import UUID
from support.parts import program

FILES = BootFiles("/boot/vmlinuz", "/boot/initramfs.xz")


def parameters() -> BootParameters:
    device, token = endpoints("https://boot.example:8443/prefix/")
    return BootParameters(
        config_url="https://boot.example:8443/prefix/config?uuid=${uuid}&m=${mac}&tag=a;b|c*{d}",
        device_auth_url=f"{device}?a=1&b=$x",
        token_url=token,
        client_id="talos&co",
        variables=("uuid", "mac"),
        client_secret=Secret("s$1{}&#"),
        scopes=("openid", "a<b>c"),
        audience="https://boot.example/?x=1",
        others=("talos.platform=metal", "console=ttyS0,115200n8"),
    )


def grub_reads(text: str) -> str:
    """Read as GRUB does: it treats single quotes and bare words like a POSIX shell, and nothing else is written."""
    line = next(line for line in text.splitlines() if line.strip().startswith("linux "))
    return " ".join(shlex.split(line)[2:])


def ipxe_reads(text: str) -> str:
    """Read as iPXE does: it replaces every ${…}, here with a word that no test expects."""
    line = next(line for line in text.splitlines() if line.startswith("kernel "))
    return re.sub(r"\$\{[^}]*\}", "REPLACED-BY-IPXE", line).split(" ", 3)[3]


def systemd_boot_reads(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("options ")).removeprefix("options ")


def image_factory_reads(text: str) -> str:
    return " ".join(yaml.safe_load(text)["customization"]["extraKernelArgs"])


READERS: dict[Form, Callable[[str], str]] = {
    Form.LINE: str.strip,
    Form.GRUB: grub_reads,
    Form.IPXE: ipxe_reads,
    Form.SYSTEMD_BOOT: systemd_boot_reads,
    Form.SCHEMATIC: image_factory_reads,
}


def read_back(form: Form, words: tuple[str, ...]) -> Settings:
    return read_settings(parse_cmdline(READERS[form](write(form, words, FILES))))


@pytest.mark.parametrize("form", Form)
def test_a_machine_reads_the_parameters_that_were_meant(form: Form) -> None:
    wanted = parameters()
    found = read_back(form, wanted.words())
    assert found.oauth is not None
    assert (found.oauth.device_auth_url, found.oauth.token_url) == (wanted.device_auth_url, wanted.token_url)
    assert (found.oauth.client_id, found.oauth.client_secret) == (wanted.client_id, wanted.client_secret)
    assert (found.oauth.scopes, found.oauth.audience) == (wanted.scopes, wanted.audience)
    assert found.oauth.extra_variables == ("uuid", "mac")


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("compat", [True, False], ids=["as Talos", "as acquire"])
def test_the_machine_itself_replaces_its_variables(form: Form, compat: bool) -> None:
    words = replace(parameters(), config_url=config_url("https://boot.example", ("mac", "uuid"))).words()
    url = populate(read_back(form, words).config_url, {"uuid": UUID}, compat=compat)
    assert url == f"https://boot.example/config?uuid={UUID}"


WORD = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\"'\\"), min_size=1)


@settings(max_examples=200, deadline=None)
@given(value=WORD, form=st.sampled_from([form for form in Form if form is not Form.IPXE]))
def test_every_value_that_fits_a_command_line_survives(value: str, form: Form) -> None:
    found = read_back(form, replace(parameters(), client_id=value).words())
    assert found.oauth is not None
    assert found.oauth.client_id == value


def test_grub_itself_passes_the_parameters_on(tmp_path: Path) -> None:
    grub = program("grub-emu", "grub-emu")
    text = write(Form.GRUB, parameters().words(), FILES)
    line = next(line for line in text.splitlines() if line.strip().startswith("linux "))
    (tmp_path / "grub").mkdir()
    (tmp_path / "grub/grub.cfg").write_text(f"{line.replace('linux', 'echo', 1)}\nhalt\n")
    done = subprocess.run([grub, "-d", tmp_path / "grub", "-r", "host"], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=30)  # fmt: skip
    # Its terminal has 80 columns: without line ends and cursor moves, the output is one line again.
    shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]", b"", done.stdout).decode()
    assert all(word in shown for word in parameters().words()), shown


@pytest.mark.parametrize("value", ["two words", "a\tb", 'a"b', "a'b", "a\\b", "a\u00a0b", "a\nb"])
def test_a_value_that_no_command_line_can_have_is_refused_by_name(value: str) -> None:
    with pytest.raises(CannotWrite, match=r"talos\.config\.oauth\.client_id has a space, a quote or a backslash"):
        replace(parameters(), client_id=value).words()


def test_a_variable_that_ipxe_would_replace_is_refused() -> None:
    with pytest.raises(CannotWrite, match=r"iPXE would replace the \$\{…\} in talos\.config\.oauth\.token_url"):
        write(Form.IPXE, replace(parameters(), token_url="https://idp.example/${net0/mac}").words(), FILES)
    with pytest.raises(CannotWrite, match=r"talos\.config"):
        write(Form.IPXE, replace(parameters(), config_url="https://boot.example/${uuid}").words(), FILES)


def test_a_path_that_needs_quotes_is_refused() -> None:
    with pytest.raises(CannotWrite, match="plain path or URL"):
        write(Form.GRUB, parameters().words(), BootFiles("/boot/my kernel", "/boot/initramfs.xz"))


@pytest.mark.parametrize("server", ["boot.example", "ftp://boot.example", "https://u:p@boot.example", "https://b/?x"])
def test_a_server_without_a_plain_url_is_refused(server: str) -> None:
    with pytest.raises(CannotWrite, match="the server's URL"):
        endpoints(server)


def test_a_url_without_an_identifying_variable_has_no_query() -> None:
    assert config_url("https://boot.example/", ("hostname",)) == "https://boot.example/config"
