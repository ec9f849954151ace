"""Warnings about entries that `bootgrant check` reports."""

from __future__ import annotations

from ipaddress import ip_network

from bootgrant.machines.finish.rendering import unset_variables
from bootgrant.machines.site.files import finished_entries, shadowed_files
from bootgrant.machines.site.findings import Finding, Level, SiteBroken, error
from bootgrant.machines.site.model import Entry, parse_site
from bootgrant.machines.site.selection import control_planes_by_pattern, unreachable_entries
from support.grants import MAC, UUID


def entries(text: str) -> tuple[Entry, ...]:
    return parse_site({"machines.yaml": text.encode()}).entries


def shown(findings: list[Finding]) -> list[tuple[str, str, int]]:
    assert all(finding.level is Level.WARNING for finding in findings)
    return [(finding.rule, finding.entry or finding.file, finding.line) for finding in findings]


def test_a_variable_without_a_value_is_reported() -> None:
    found = unset_variables(entries("- name: a\n  variables: {x: , y: 0, z: ''}\n- name: b\n  variables: {x: ~}\n"))
    assert shown(found) == [("no-value", "a", 1), ("no-value", "b", 3)]
    assert "the variable x has no value" in found[0].message


def test_a_control_plane_by_pattern_is_reported() -> None:
    site = entries(
        f"- {{name: exact, match: {{uuid: {UUID}}}}}\n- {{name: hostname, match: {{hostname: cp}}}}\n"
        f"- {{name: mixed, match: {{mac: ['{MAC}', '52:*']}}}}\n- {{name: both, match: {{mac: '{MAC}', serial: S*}}}}\n"
        "- {name: profile}\n- {name: worker, match: {mac: '52:*'}}\n"
    )
    types = {entry.name: "worker" if entry.name == "worker" else "controlplane" for entry in site}
    found = control_planes_by_pattern(site, types)
    assert shown(found) == [("control-plane-by-pattern", "hostname", 2), ("control-plane-by-pattern", "mixed", 3)]


def test_an_entry_outside_of_the_networks_of_machines_is_reported() -> None:
    site = entries(
        "- {name: a, networks: [10.0.0.0/24]}\n- {name: b, networks: [192.168.0.0/24, 10.0.0.0/24]}\n"
        "- {name: c, networks: [192.168.0.0/24, 'fd00::/64']}\n- {name: d}\n"
    )
    found = unreachable_entries(site, [ip_network("10.0.0.0/8"), ip_network("fe80::/64")])
    assert shown(found) == [("unreachable", "c", 3)]


def test_a_finished_file_of_a_machine_with_an_entry_is_reported() -> None:
    site = entries(f"- {{name: cp, match: {{uuid: [{UUID}], mac: '52:*'}}}}\n")
    files = finished_entries([f"{UUID.upper()}.yaml", f"{MAC.replace(':', '-')}.yaml"])
    found = shadowed_files(site, files)
    assert shown(found) == [("unreachable", f"{UUID.upper()}.yaml", 0)]
    assert "the entry cp names the same uuid" in found[0].message


def test_an_error_of_a_site_counts_its_different_findings() -> None:
    one, other = error("a", "wrong", "a.yaml", 3, "cp"), error("b", "worse", "", 0, "cp")
    assert str(SiteBroken([one])) == "a.yaml:3: wrong"
    assert str(SiteBroken([one, one, other])) == "a.yaml:3: wrong (and 1 more)"
    assert [str(finding) for finding in (other, error("c", "only this"))] == ["cp: worse", "only this"]
