"""``bootgrant.toml``: what is read, what overrules what, and how a wrong value is named."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.service.commands.init_site import settings_file
from bootgrant.service.settings.reading import SettingsError, load_site

MINIMAL = 'public_url = "https://boot.example"\n'


def site_file(folder: Path, text: str) -> Path:
    path = folder / "bootgrant.toml"
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_table(tmp_path: Path) -> None:
    site = load_site(site_file(tmp_path, MINIMAL))
    assert site.public_url == "https://boot.example"
    assert (site.grants.lifetime, site.grants.interval, site.grants.hold) == (600, 1, 25)
    assert site.data == tmp_path / "data"
    assert ipaddress.ip_network("10.0.0.0/8") in site.networks.machines
    assert set(site.clients) == {"talos"}


def test_the_file_that_init_writes_says_the_defaults(tmp_path: Path) -> None:
    chosen = {"public_url": "https://boot.example", "listen": "127.0.0.1:8080"}
    assert load_site(site_file(tmp_path, settings_file(chosen))) == load_site(site_file(tmp_path, MINIMAL))


def test_a_flag_overrules_the_environment_and_that_the_file(tmp_path: Path) -> None:
    config = site_file(tmp_path, MINIMAL + 'listen = "127.0.0.1:1"\n[grants]\nhold = "1s"\n')
    environment = {"BOOTGRANT_LISTEN": "127.0.0.1:2", "BOOTGRANT_GRANTS_HOLD": "2s"}
    site = load_site(config, environment, {"listen": "127.0.0.1:3"})
    assert (site.listen, site.grants.hold) == (("127.0.0.1", 3), 2)


def test_lists_come_from_the_environment_too(tmp_path: Path) -> None:
    environment = {"BOOTGRANT_NETWORKS_MACHINES": "10.20.0.0/16, fd00::/8", "BOOTGRANT_CLIENTS": "talos,other"}
    site = load_site(site_file(tmp_path, MINIMAL), environment)
    assert [str(network) for network in site.networks.machines] == ["10.20.0.0/16", "fd00::/8"]
    assert set(site.clients) == {"talos", "other"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "public_url is missing"),
        (MINIMAL + "colour = 1", "there is no setting 'colour'"),
        (MINIMAL + "[grants]\nlifespan = '1m'", "there is no setting 'grants.lifespan'"),
        (MINIMAL + "[grants]\nhold = 25", "expected a string, found 25"),
        (MINIMAL + "[grants]\nhold = '25'", "not a duration"),
        (MINIMAL + "[grants]\ninterval = '1500ms'", "whole seconds"),
        (MINIMAL + "[networks]\nmachines = ['10.0.0.1/8']", "is not a network"),
        (MINIMAL + "[[clients]]\nid = 'a'\nsecret = 'b'", "no key 'secret'; did you mean secret_file"),
        ("public_url = 'boot.example'", "is not the URL of a server"),
        ("public_url = 'https://boot example'", "is not the URL of a server"),
        ("public_url = 'https://boot.example:84430'", "is not the URL of a server"),
        ("public_url = 'https://boot.example/path'", "must have only a scheme"),
        (MINIMAL + "listen = '8080'", "not an address and port"),
        (MINIMAL + "listen = '[::]:80'\noperators.listen = '[::]:80'", "operators.listen: it is the same as listen"),
        ("public_url = ", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        load_site(site_file(tmp_path, text))
    assert "\n" not in str(caught.value).strip()


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="bootgrant init"):
        load_site(tmp_path / "bootgrant.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_site_or_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bootgrant.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        load_site(path)


def test_a_refused_secret_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_site(site_file(tmp_path, MINIMAL + "[[clients]]\nid = 'talos'\nsecret = 'hunter2'"))
    assert "hunter2" not in str(caught.value)
