"""A machine is approved at a real provider, and bootgrant delivers its configuration for that provider's token."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.grants import MAC, UUID
from support.providers import Glewlwyd, OidcProvider, glewlwyd, oidc_provider
from support.site import CONFIG, bootgrant, clean_environment, served, wait_until

_VISIT = re.compile(r"please visit the URL (\S+) and enter the code (\S+)")
_OAUTH = "talos.config.oauth."
_RULE = """
[[providers.rules]]
claims = {sub = "ana"}
select = ["*"]
"""


def outside(issuer: str, *lines: str, rule: str = _RULE) -> str:
    return "\n".join(["", "[[providers]]", 'name = "outside"', f'issuer = "{issuer}"', *lines, rule])


@contextmanager
def machine(
    folder: Path, url: str, parameters: str, *words: str, client: str = "machines"
) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """`bootgrant acquire` as the machine UUID: authorized by ``parameters``, configured from ``url``."""
    own = f"{_OAUTH}client_id={client} {_OAUTH}extra_variable=uuid"
    cmdline = f"talos.config={url}/config?uuid=${{uuid}} {own} {parameters}"
    command = bootgrant("acquire", "--cmdline", cmdline, "--set", f"uuid={UUID}", "--set", f"mac={MAC}", *words)
    console = folder / "console"
    with console.open("wb") as screen:
        process = subprocess.Popen(
            [*command, "--output", str(folder / "config.yaml")],
            stdin=subprocess.DEVNULL,
            stderr=screen,
            env=clean_environment(),
        )
    try:
        yield console, process
    finally:
        process.kill()
        process.wait()


def where_to_approve(console: Path) -> tuple[str, str]:
    wait_until(lambda: _VISIT.search(console.read_text()), "the code is shown")
    found = _VISIT.search(console.read_text())
    assert found
    return found[1], found[2]


def delivered(folder: Path, process: subprocess.Popen[bytes]) -> str:
    assert process.wait(60) == 0, (folder / "console").read_text()
    return (folder / "config.yaml").read_text()


@pytest.fixture(scope="module")
def oidc() -> Iterator[OidcProvider]:
    with oidc_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def glewl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glewlwyd]:
    with glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as provider:
        yield provider


@pytest.mark.parametrize(
    ("check", "words", "more"),
    [
        ('audiences = ["https://config.example/"]', (), f" {_OAUTH}audience=https://config.example/"),
        ('client_ids = ["machines"]\nid_token = true', ("--token", "id"), ""),
        ('check = "introspection"\nclient_ids = ["machines"]\nclient_id = "machines-basic"', (), ""),
        ('check = "userinfo"', (), ""),
    ],
    ids=["jwt for an audience", "id_token", "introspection", "userinfo"],
)
def test_oidc_provider_approves_and_bootgrant_delivers(
    check: str, words: tuple[str, ...], more: str, oidc: OidcProvider, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(oidc.client_secret)
    lines = [check, f'client_secret_file = "{secret}"'] if "introspection" in check else [check]
    endpoints = f"{oidc.endpoints} {_OAUTH}scope=openid{more}"
    with (
        served(tmp_path, more=outside(oidc.issuer, *lines)) as site,
        machine(tmp_path, site.url, endpoints, *words) as (console, process),
    ):
        url, code = where_to_approve(console)
        oidc.approve(f"{url}?user_code={code}")
        assert delivered(tmp_path, process) == CONFIG


def test_a_client_with_a_secret_and_pkce_finds_the_provider_by_its_issuer(oidc: OidcProvider, tmp_path: Path) -> None:
    checks = 'audiences = ["https://config.example/"]\nclient_ids = ["machines-basic"]'
    parameters = (
        f"{_OAUTH}client_secret={oidc.client_secret} {_OAUTH}scope=openid {_OAUTH}audience=https://config.example/"
    )
    with (
        served(tmp_path, more=outside(oidc.issuer, checks)) as site,
        machine(tmp_path, site.url, parameters, "--issuer", oidc.issuer, client="machines-basic") as (console, process),
    ):
        url, code = where_to_approve(console)
        oidc.approve(f"{url}?user_code={code}")
        assert delivered(tmp_path, process) == CONFIG


def test_glewlwyd_approves_and_bootgrant_delivers(glewl: Glewlwyd, tmp_path: Path) -> None:
    rule = _RULE.replace("sub =", "name =")
    with (
        served(tmp_path, more=outside(glewl.issuer, 'check = "userinfo"', rule=rule)) as site,
        machine(tmp_path, site.url, f"{glewl.endpoints} {_OAUTH}scope=machines") as (console, process),
    ):
        url, code = where_to_approve(console)
        glewl.approve(f"{url}&code={code}" if "?" in url else f"{url}?code={code}")
        assert delivered(tmp_path, process) == CONFIG


def test_a_person_whom_no_rule_names_cannot_approve(oidc: OidcProvider, tmp_path: Path) -> None:
    rule = _RULE.replace('"ana"', '"root"')
    with (
        served(tmp_path, more=outside(oidc.issuer, 'check = "userinfo"', rule=rule)) as site,
        machine(tmp_path, site.url, f"{oidc.endpoints} {_OAUTH}scope=openid") as (console, _),
    ):
        url, code = where_to_approve(console)
        oidc.approve(f"{url}?user_code={code}")
        wait_until(lambda: "approver has no right to this" in console.read_text(), "the console shows the reason")
        assert not (tmp_path / "config.yaml").exists()


def test_a_token_of_a_person_without_a_right_ends_and_another_person_can_approve(
    oidc: OidcProvider, tmp_path: Path
) -> None:
    rule = _RULE.replace('"ana"', '"root"')
    endpoints = f"{oidc.endpoints} {_OAUTH}scope=openid {_OAUTH}audience=https://config.example/"
    with (
        served(tmp_path, more=outside(oidc.issuer, 'audiences = ["https://config.example/"]', rule=rule)) as site,
        machine(tmp_path, site.url, endpoints) as (console, process),
    ):
        for approvals in range(1, 4):
            wait_until(lambda wanted=approvals: len(_VISIT.findall(console.read_text())) == wanted, "a code is shown")
            url, code = _VISIT.findall(console.read_text())[-1]
            oidc.approve(f"{url}?user_code={code}")
        # As many codes as approvals: it requests no codes in a loop.
        assert process.wait(60) != 0
        assert len(_VISIT.findall(console.read_text())) == 3
        assert console.read_text().count("approver has no right: ask again") == 3


def test_a_machine_waits_through_an_outage_of_the_provider(tmp_path: Path) -> None:
    with oidc_provider() as oidc:
        lines = ['audiences = ["https://config.example/"]']
        endpoints = f"{oidc.endpoints} {_OAUTH}scope=openid {_OAUTH}audience=https://config.example/"
        with (
            served(tmp_path, more=outside(oidc.issuer, *lines)) as site,
            machine(tmp_path, site.url, endpoints) as (console, process),
        ):
            url, code = where_to_approve(console)
            site.kill()
            oidc.approve(f"{url}?user_code={code}")
            wait_until(lambda: "device authorized" in console.read_text(), "the machine has its token")
            oidc.stop()
            site.start()
            wait_until(lambda: "provider down, retrying" in console.read_text(), "the console shows the reason")
            port = int(oidc.issuer.rpartition(":")[2])
            with oidc_provider(port=port):
                assert delivered(tmp_path, process) == CONFIG
