"""`bootgrant import` writes a folder that passes `check`, encrypts the secrets, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from bootgrant.cli import main

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
PROJECT = """\
clusterName: lab
clusterEndpoint: https://lab.example.org:6443
kubernetesVersion: 1.34.1
talosVersion: 1.13.3
nodes:
  - {host: cp-1, role: control-plane, data: {serial: A1}}
"""
PEM = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="
BUNDLE = f"""\
cluster: {{id: aWQ=, secret: c3dvcmRmaXNo}}
secrets: {{bootstraptoken: abcdef.0123456789abcdef, secretboxencryptionsecret: c3dvcmRmaXNo}}
trustdinfo: {{token: abcdef.0123456789abcdef}}
certs:
  etcd: {{crt: {PEM}, key: c3dvcmRmaXNo}}
  k8s: {{crt: {PEM}, key: c3dvcmRmaXNo}}
  k8saggregator: {{crt: {PEM}, key: c3dvcmRmaXNo}}
  k8sserviceaccount: {{key: c3dvcmRmaXNo}}
  os: {{crt: {PEM}, key: c3dvcmRmaXNo}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "topf.yaml").write_text(PROJECT)
    (folder / "secrets.yaml").write_text(BUNDLE)
    return folder


def test_the_result_passes_the_check_and_its_secrets_are_encrypted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "all").mkdir()
    (project / "all/01-install.yaml").write_text("machine:\n  install:\n    disk: /dev/sda\n")
    out, key = project.parent / "machines", project.parent / "key.txt"
    key.write_text(str(IDENTITY))
    assert main(["import", "topf", str(project), str(out), "--recipient", RECIPIENT]) == 0
    assert main(["check", "--machines", str(out), "--age-identity-file", str(key)]) == 0
    assert "1 entry, no errors" in capsys.readouterr().out
    assert all(b"c3dvcmRmaXNo" not in path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o600}


def test_only_control_planes_get_the_keys(project: Path) -> None:
    out = project.parent / "machines"
    main(["import", "topf", str(project), str(out), "--recipient", RECIPIENT])
    clear = {path: pyrage.decrypt((out / path).read_bytes(), [IDENTITY]) for path in (EVERYONE, CONTROL_PLANE)}
    assert b"key: ''" in clear[EVERYONE]
    assert b"serviceAccount" not in clear[EVERYONE]
    assert b"serviceAccount" in clear[CONTROL_PLANE]


EVERYONE, CONTROL_PLANE = "base/02-secrets.yaml.age", "base/control-plane/02-keys.yaml.age"


def test_without_a_recipient_the_secrets_are_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "topf", str(project), str(project.parent / "machines")]) == 0
    assert "repeat with --recipient" in capsys.readouterr().out
    assert not list((project.parent / "machines").rglob("*.age"))


def test_nothing_is_overwritten(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = project.parent / "machines"
    out.mkdir()
    assert main(["import", "topf", str(project), str(out)]) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main(["import", "topf", str(project), str(out)]) == 1
    assert "already exists: nothing was changed" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("talhelper",), 1, "no talconfig.yaml"),
        (("topf", "--recipient", "AGE-SECRET-KEY-1NONSENSE"), 2, "--recipient: not a public key"),
    ],
)
def test_what_cannot_be_imported_leaves_no_folder(
    project: Path, words: tuple[str, ...], status: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, *rest = words
    assert main(["import", tool, str(project), str(project.parent / "machines"), *rest]) == status
    printed = capsys.readouterr()
    assert why in printed.err
    assert "NONSENSE" not in printed.err + printed.out
    assert [path.name for path in project.parent.iterdir()] == ["project"]


def test_an_incomplete_bundle_is_refused_without_its_values(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "secrets.yaml").write_text(BUNDLE.replace("  k8s:", "  other:"))
    words = ["import", "topf", str(project), str(project.parent / "machines"), "--recipient", RECIPIENT]
    assert main(words) == 1
    message = capsys.readouterr().err
    assert "k8s is missing" in message
    assert "c3dvcmRmaXNo" not in message


def test_without_a_bundle_the_secrets_of_a_generated_control_plane_are_used(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "secrets.yaml").unlink()
    (project / "output").mkdir()
    (project / "output/a-worker.yaml").write_text("machine: {type: worker}\n")
    (project / "output/cp-1.yaml").write_text(
        f"machine: {{type: controlplane, token: a, ca: {{crt: {PEM}, key: c3dvcmRmaXNo}}}}\n"
        f"cluster: {{id: a, secret: b, token: c, ca: {{crt: {PEM}, key: c3dvcmRmaXNo}}, serviceAccount: {{key: a}},\n"
        f"  secretboxEncryptionSecret: d, aggregatorCA: {{crt: a, key: b}}, etcd: {{ca: {{crt: a, key: b}}}}}}\n"
        "---\napiVersion: v1alpha1\nkind: HostnameConfig\nauto: stable\n"
    )
    out = project.parent / "machines"
    assert main(["import", "topf", str(project), str(out), "--recipient", RECIPIENT]) == 0
    assert "the secrets are those of output/cp-1.yaml" in capsys.readouterr().out
    keys = pyrage.decrypt((out / CONTROL_PLANE).read_bytes(), [IDENTITY])
    assert b"secretboxEncryptionSecret: d" in keys


def test_without_any_secrets_the_note_says_what_to_do(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "secrets.yaml").unlink()
    words = ["import", "topf", str(project), str(project.parent / "machines"), "--recipient", RECIPIENT]
    assert main(words) == 0
    assert "were not carried over: there is no secrets.yaml" in capsys.readouterr().out
