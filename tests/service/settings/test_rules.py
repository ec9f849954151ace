"""``[networks.names]``, ``[[evidence.exec]]`` and ``[[rules]]``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.service.settings.site import SettingsError, Site, load_site

GOOD = """
[networks.names]
fra-rack4 = "10.20.4.0/24"
lab = ["10.30.0.0/16", "fd00:30::/32"]

[[evidence.exec]]
name = "bmc"
command = ["/usr/local/bin/ask-bmc", "--fast"]
limit = "2s"

[[rules]]
name = "fra-workers"
select = ["role=worker,site=fra", "rack4-*"]
networks = ["fra-rack4", "10.40.0.0/16"]
evidence = ["network", "bmc"]
"""


def read(folder: Path, text: str) -> Site:
    config = folder / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"\n' + text)
    return load_site(config)


def test_without_rules_nothing_is_approved_automatically(tmp_path: Path) -> None:
    site = read(tmp_path, "")
    assert (site.rules, site.evidence.exec, site.networks.names) == ((), (), {})


def test_a_rule_uses_the_names_of_networks_and_of_evidence(tmp_path: Path) -> None:
    site = read(tmp_path, GOOD)
    (rule,) = site.approval_rules()
    assert [str(network) for network in rule.conditions.networks] == ["10.20.4.0/24", "10.40.0.0/16"]
    assert [str(selector) for selector in rule.conditions.select] == ["role=worker,site=fra", "rack4-*"]
    (command,) = site.evidence.exec
    assert (command.command, command.limit, command.keeps) == (("/usr/local/bin/ask-bmc", "--fast"), 2.0, 600.0)
    assert [str(network) for network in site.networks.names["lab"]] == ["10.30.0.0/16", "fd00:30::/32"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"fra-rack4", "10.40', '"fra-rack5", "10.40', "'fra-rack5' is neither a network"),
        ('"network", "bmc"', '"network", "ipmi"', "there is no evidence named 'ipmi'; this site has bmc, history"),
        ('name = "bmc"', 'name = "network"', "the name 'network' is taken"),
        ('"2s"', '"2m"', "bmc: limit: '2m' is too long: it must be at most 60s"),
        ('["/usr/local/bin/ask-bmc", "--fast"]', '"ask-bmc --fast"', "expected a list of strings"),
        ('evidence = ["network", "bmc"]', "", "fra-workers: evidence: required, but not set"),
        ('name = "fra-workers"', 'name = "fra workers"', "'fra workers' is not a name"),
        ('name = "fra-workers"', r'name = "\n"', r"rules: name: '\n' is not a name"),
        ('"rack4-*"]', '"rack4-*", "site="]', "label without a name or value"),
        ('select = ["role=worker,site=fra", "rack4-*"]', "select = []", "fra-workers: the selector is missing"),
        ('name = "fra-workers"', 'name = "fra-workers"\ncount = 3', "[[rules]] has no key 'count'"),
        ('"10.30.0.0/16"', '"10.30.0.1/16"', "'10.30.0.1/16' is not a network"),
        ("[networks.names]", "[networks]\nnames = 3\n[other]", "there is no setting"),
    ],
)
def test_an_error_says_what_to_write(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, GOOD.replace(old, new))
    assert message in str(refused.value)
    assert "bootgrant.toml: " in str(refused.value)


def test_network_names_must_be_a_table(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"networks\.names: expected a table"):
        read(tmp_path, "[networks]\nnames = 3\n")
