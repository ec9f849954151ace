"""DNS, TCP and TLS as a machine finds them."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.doctor.connection import examine_network
from bootgrant.doctor.findings import Level
from bootgrant.loaders.private_ca import early_value
from support.certificates import Authority
from support.examined import examined, line
from support.site import free_port


def bad(url: str) -> dict[str, Level]:
    return {each.code: each.level for each in examine_network("server", parse_endpoint(url)) if each.level != Level.OK}


def test_a_stopped_server_is_an_error() -> None:
    assert bad(f"http://127.0.0.1:{free_port()}") == {"loopback": Level.NOTE, "connect": Level.ERROR}


@pytest.mark.parametrize(("name", "code"), [("boot", "short-name"), ("boot.local", "mdns")])
def test_a_name_that_machines_cannot_resolve_is_a_warning(name: str, code: str) -> None:
    # The first finding comes before the name is looked up.
    first = next(examine_network("server", parse_endpoint(f"http://{name}")))
    assert (first.code, first.level) == (code, Level.WARNING)


def test_a_name_that_does_not_exist_is_an_error() -> None:
    assert bad("http://boot.invalid")["name"] is Level.ERROR


def test_a_server_whose_certificate_machines_refuse_gets_no_request(tmp_path: Path) -> None:
    seen = examined(tls=Authority(tmp_path).server("IP:127.0.0.1"))
    assert "it is for 127.0.0.1, signed by CN=Test" in seen.found("certificate").message
    assert "kernel-args --ca" in seen.found("certificate").fix
    assert seen.asked == []


def test_a_missing_intermediate_certificate_has_its_own_finding(tmp_path: Path) -> None:
    offered = "authorityInfoAccess=caIssuers;URI:http://ca.example/intermediate.der"
    seen = examined(tls=Authority(tmp_path).server("IP:127.0.0.1", extension=offered))
    assert "does not send the intermediate certificate" in seen.found("chain").message
    assert "whole chain" in seen.found("chain").fix


def test_an_authority_on_the_command_line_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    early = early_value(authority.certificate.read_text())
    seen = examined(tls=authority.server("IP:127.0.0.1"), cmdline=lambda url: line(url, f"talos.config.early={early}"))
    assert seen.bad() == []
    assert "2099-01-01" in seen.found("certificate").message


def test_an_authority_that_only_the_doctor_has_is_a_warning(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    seen = examined(tls=authority.server("IP:127.0.0.1"), ca=authority.certificate)
    assert seen.bad() == ["authority-not-on-cmdline"]
    assert "2099-01-01" in seen.found("certificate").message


@pytest.mark.parametrize(
    ("names", "end", "says"),
    [
        ("DNS:other.example", "20990101000000Z", "is for another name"),
        ("IP:127.0.0.1", "20210101000000Z", "is no longer valid"),
    ],
)
def test_other_problems_are_reported_as_well_if_only_the_doctor_has_the_authority(
    tmp_path: Path, names: str, end: str, says: str
) -> None:
    authority = Authority(tmp_path)
    seen = examined(tls=authority.server(names, end=end), ca=authority.certificate)
    assert seen.bad() == ["authority-not-on-cmdline", "certificate"]
    assert says in seen.found("certificate").message
    assert "--ca FILE" not in seen.found("certificate").fix
    assert seen.asked == []


def test_an_authority_that_only_the_server_sends_is_unknown(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server("IP:127.0.0.1", with_authority=True)
    assert "kernel-args --ca" in examined(tls=context).found("certificate").fix


@pytest.mark.parametrize(
    ("names", "start", "end", "says"),
    [
        ("DNS:other.example", "20200101000000Z", "20990101000000Z", "is for another name (it is for other.example,"),
        ("IP:127.0.0.1", "20200101000000Z", "20210101000000Z", "is no longer valid"),
        ("IP:127.0.0.1", "20980101000000Z", "20990101000000Z", "is not yet valid"),
    ],
)
def test_a_wrong_certificate_is_described(tmp_path: Path, names: str, start: str, end: str, says: str) -> None:
    authority = Authority(tmp_path)
    early = early_value(authority.certificate.read_text())
    context = authority.server(names, start, end)
    seen = examined(tls=context, cmdline=lambda url: line(url, f"talos.config.early={early}"))
    assert says in seen.found("certificate").message


def test_a_certificate_that_expires_soon_is_a_warning(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    early = early_value(authority.certificate.read_text())
    # The tests' clock shows 2027-01-15.
    context = authority.server("IP:127.0.0.1", end="20270120000000Z")
    seen = examined(tls=context, cmdline=lambda url: line(url, f"talos.config.early={early}"))
    assert seen.found("certificate-ends").level is Level.WARNING


def test_a_port_without_tls_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_speak_plainly, args=(listener,), daemon=True).start()
        seen = examined(cmdline=lambda _: line(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        listener.shutdown(socket.SHUT_RDWR)
    assert seen.found("tls").level is Level.ERROR
    assert "plain HTTP" in seen.found("tls").fix


def _speak_plainly(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example ready\r\n")
