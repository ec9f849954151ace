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


def test_layers_are_not_called_unused_while_an_entry_cannot_be_read() -> None:
    entries = 'entries: [{{name: a, layers: [all], talos: "{}"}}]\n'
    files = {"all/00-base.yaml": BASE, "other/a.yaml": "a: 1\n"}
    assert "unused-layer" in rules(files | {"machines.yaml": entries.format("1.12")})
    assert "unused-layer" not in rules(files | {"machines.yaml": entries.format("v1.12")})


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


def test_a_leftover_is_reported_at_its_line_in_the_layer_and_keeps_the_entry_from_being_served() -> None:
    files = dict(FILES) | {"node/cp-1/60-disk.yaml": "machine:\n  install:\n    disk: ${disk}\n"}
    snapshot = Snapshot(Tree({path: text.encode() for path, text in files.items()}, "r1"), toolbox())
    wrong = [finding for finding in findings_of(snapshot) if finding.level is Level.ERROR]
    assert [(one.rule, one.place, one.entry) for one in wrong] == [("placeholder", "node/cp-1/60-disk.yaml:3", "cp-1")]
    assert snapshot.broken == {"cp-1"}


def test_a_leftover_of_a_rendered_template_is_reported_without_a_line_of_the_file() -> None:
    text = "{# a #}{% raw %}\nmachine:\n  install:\n    disk: ${disk}\n{% endraw %}"
    snapshot = Snapshot(
        Tree({"machines.yaml": b"entries: [{name: a, layers: [a.yaml.j2]}]", "a.yaml.j2": text.encode()}, "r1"),
        toolbox(),
    )
    (wrong,) = snapshot.problems()
    assert (wrong.place, "(line 4 after rendering)" in wrong.message) == ("a.yaml.j2", True)


def test_files_of_other_tools_are_named_whether_they_are_used_or_not() -> None:
    assert rules({"topf.yaml": "clusterName: a\nnodes: []\n"}) == ["foreign"]
    files = dict(FILES) | {"topf.yaml": "nodes: []\n", "all/kustomization.yaml": "resources: []\n"}
    tree = Tree({path: text.encode() for path, text in files.items()}, "r1")
    found = {finding.file: finding.message for finding in findings_of(Snapshot(tree, toolbox()))}
    assert "bootgrant import topf" in found["topf.yaml"]
    assert "kustomize build" in found["all/kustomization.yaml"]


def test_a_layer_in_a_git_submodule_is_missing_for_that_reason() -> None:
    files = {"machines.yaml": "entries: [{name: a, layers: [vendor/base]}]"}
    tree = Tree({path: text.encode() for path, text in files.items()}, "r1", submodules=("vendor",))
    found = {finding.rule: finding.message for finding in findings_of(Snapshot(tree, toolbox()))}
    assert "git submodule" in found["missing-layer"]
    assert "git submodule" in found["submodule"]
