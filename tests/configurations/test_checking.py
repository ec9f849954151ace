"""What `bootgrant check` reports about a snapshot."""

from __future__ import annotations

from bootgrant.configurations.checking import findings_of
from bootgrant.configurations.snapshot import Snapshot
from bootgrant.machines.site.findings import Level
from bootgrant.ports.origins import Tree
from support.grants import UUID
from support.layered_site import BASE, FILES, toolbox


def rules(files: dict[str, str], finished: tuple[str, ...] = ()) -> list[str]:
    """Return the rules of the findings about these files, in order."""
    tree = Tree({path: text.encode() for path, text in files.items()}, "r1", finished)
    return [finding.rule for finding in findings_of(Snapshot(tree, toolbox()))]


def test_secrets_in_clear_are_reported_in_layers_and_not_in_finished_files() -> None:
    assert "secret-in-clear" in rules(dict(FILES))
    assert rules({f"{UUID}.yaml": BASE}) == []


def test_an_entry_with_keys_of_the_cluster_that_is_no_control_plane_is_reported_with_its_fields() -> None:
    keys = "cluster: {aggregatorCA: {key: YQ==}, serviceAccount: {key: YQ==}}\n"
    tree = Tree({path: text.encode() for path, text in {**FILES, "worker/20-keys.yaml": keys}.items()}, "r1")
    found = [finding for finding in findings_of(Snapshot(tree, toolbox())) if finding.rule == "precious"]
    assert [(finding.level, finding.entry) for finding in found] == [(Level.WARNING, "spare-worker")]
    assert "cluster.aggregatorCA.key, cluster.serviceAccount.key" in found[0].message
    assert "precious" not in rules(dict(FILES))


def test_a_finished_file_of_a_machine_that_has_an_entry_is_unreachable() -> None:
    assert "unreachable" not in rules(dict(FILES))
    assert "unreachable" in rules(dict(FILES), (f"{UUID}.yaml",))


def test_errors_come_before_warnings_and_a_finding_of_several_entries_is_reported_once() -> None:
    twins = "".join(f"  - {{name: n{number}, layers: [all]}}\n" for number in range(3))
    files = {"machines.yaml": f"entries:\n{twins}", "all/00-base.yaml": BASE + "  nope: 1\n", "unused/a.yaml": "a: 1\n"}
    tree = Tree({path: text.encode() for path, text in files.items()}, "r1")
    found = findings_of(Snapshot(tree, toolbox()))
    assert [finding.level for finding in found] == sorted(finding.level for finding in found)
    assert [finding.file for finding in found if finding.level is Level.ERROR] == ["all/00-base.yaml"]
