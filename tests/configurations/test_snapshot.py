"""A snapshot of one revision: what it makes of a tree, and what it reuses from the snapshot before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from bootgrant.configurations.cache import RenderedCache
from bootgrant.configurations.snapshot import Snapshot
from bootgrant.machines.finish.rendering import Content, in_python
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import Composed
from bootgrant.machines.talos.documents import Part
from bootgrant.ports.configurations import MachineEntry, Rendered
from bootgrant.ports.origins import Tree
from bootgrant.wire.identity import MachineIdentity
from support.grants import UUID
from support.layered_site import BASE, FILES, MODEL, toolbox

OTHER = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"


def tree(changed: Mapping[str, str] | None = None) -> Tree:
    """The files of the site, with the changed ones."""
    return Tree({path: text.encode() for path, text in {**FILES, **(changed or {})}.items()}, "r1")


@dataclass
class Tools:
    """Notes what is decrypted and composed."""

    decrypted_paths: list[str] = field(default_factory=list)
    composed_parts: list[list[str]] = field(default_factory=list)

    def decrypted(self, path: str, raw: bytes) -> Content:
        self.decrypted_paths.append(path)
        return Content(raw)

    def is_plain(self, path: str, raw: bytes) -> bool:
        return False

    def opened(self, path: str, raw: bytes) -> bytes | None:
        self.decrypted_paths.append(path)
        return None

    def compose(self, schema: Schema, parts: Sequence[Part], release: str) -> Composed:
        self.composed_parts.append([part.name for part in parts])
        return in_python(schema, parts, release)


def test_only_changed_files_are_decrypted_and_only_entries_with_changes_are_composed() -> None:
    tools = Tools()
    with_tools = replace(toolbox(), decrypter=tools, compose=tools.compose)
    first = Snapshot(tree(), with_tools)
    assert sorted(tools.decrypted_paths) == sorted(path for path in FILES if path != "machines.yaml")
    assert len(tools.composed_parts) == 2
    tools.decrypted_paths.clear()
    tools.composed_parts.clear()
    changed = {
        "control-plane/10-role.yaml": "machine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\n  env: {A: b}\n"
    }
    second = Snapshot(tree(changed), with_tools, first)
    assert tools.decrypted_paths == ["control-plane/10-role.yaml"]
    assert [parts[1] for parts in tools.composed_parts] == ["control-plane/10-role.yaml"]
    assert b"A: b" in second.finish("cp-1", MachineIdentity(UUID)).config


def test_an_entry_that_was_broken_is_tried_again() -> None:
    wrong = {"worker/10-role.yaml": "machine: {nope: 1}\n"}
    broken = Snapshot(tree(wrong), toolbox())
    assert broken.broken == {"spare-worker"}
    tools = Tools()
    again = Snapshot(tree(wrong), replace(toolbox(), compose=tools.compose), broken)
    assert again.broken == {"spare-worker"}
    assert len(tools.composed_parts) == 1


def test_a_tree_may_have_finished_files_next_to_entries() -> None:
    snapshot = Snapshot(tree({f"{OTHER}.yaml": BASE, "SN-1.yaml": BASE}), toolbox())
    assert sorted(snapshot.entries) == sorted(["cp-1", "spare-worker", f"{OTHER}.yaml"])
    assert snapshot.finish(f"{OTHER}.yaml", MachineIdentity(OTHER)).config == BASE.encode()


def test_the_cache_drops_the_oldest_configurations_first() -> None:
    cache = RenderedCache(capacity=25)
    machine = MachineIdentity(UUID)
    for name in ("a", "b", "c"):
        cache.put(name, machine, Rendered(MachineEntry(name, "name"), b"x" * 10, "bootgrant"))
    assert [cache.get(name, machine) is not None for name in ("a", "b", "c")] == [False, True, True]
    assert cache.get("c", MachineIdentity(OTHER)) is None


def test_an_entry_is_composed_and_checked_for_its_talos_release() -> None:
    role = "machine:\n  type: controlplane\n  install: {grubUseUKICmdline: true}\n  ca: {crt: YQ==, key: YQ==}\n"
    newer = {"control-plane/10-role.yaml": role}
    at_1_12 = Snapshot(
        tree(newer | {"machines.yaml": MODEL.replace("defaults:", "defaults:\n  talos: 1.12")}), toolbox()
    )
    assert at_1_12.broken == set()
    older = newer | {"machines.yaml": MODEL.replace("defaults:", 'defaults:\n  talos: "1.11"')}
    at_1_11 = Snapshot(tree(older), toolbox(), at_1_12)
    (problem,) = at_1_11.problems()
    assert (problem.entry, problem.file, problem.line) == ("cp-1", "control-plane/10-role.yaml", 3)
    assert problem.message.startswith(
        "machine.install.grubUseUKICmdline appears in Talos 1.12, and this is for Talos 1.11"
    )


@pytest.mark.parametrize(
    ("talos", "says"),
    [("", "(talos: "), ("1.14", "Talos 1.14 takes Kubernetes 1.32 to 1.37, not 1.31.2"), ("1.12", "")],
)
def test_a_kubernetes_version_is_judged_by_the_release_that_the_site_names(talos: str, says: str) -> None:
    model = MODEL.replace("defaults:", f'defaults:\n  talos: "{talos}"') if talos else MODEL
    files = {"machines.yaml": model, "worker/10-role.yaml": "machine: {kubelet: {image: 'k:v1.31.2'}}\n"}
    snapshot = Snapshot(tree(files), toolbox())
    verdict = snapshot.verdicts["spare-worker"]
    problems = verdict.problem.findings if verdict.problem else verdict.warnings
    assert bool(verdict.problem) == (talos == "1.14")
    assert [says in finding.message for finding in problems] == ([True] if says else [])
