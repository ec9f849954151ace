"""Encrypted files: opened in memory, and what cannot be opened is told without a word of it."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
import pytest

from bootgrant.configurations.snapshot import Snapshot
from bootgrant.machines.finish.redaction import preview
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.sources.encrypted_files import BadIdentity, EncryptedFiles
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from support.layered_site import toolbox, write_machines

IDENTITY = pyrage.x25519.Identity.generate()
SOPS_FILE = b"machine:\n    token: ENC[AES256_GCM,data:abc]\nsops:\n    mac: ENC[x]\n    version: 3.9.0\n"


def encrypted(text: str, *, armored: bool = False) -> bytes:
    return bytes(pyrage.encrypt(text.encode(), [IDENTITY.to_public()], armored=armored))


@pytest.mark.parametrize("armored", [False, True])
def test_an_age_file_is_opened_with_the_sites_identity(armored: bool) -> None:
    files = EncryptedFiles([Secret(f"# created: today\n{IDENTITY}\n")])
    content = files.decrypted("a.yaml.age", encrypted("token: swordfish\n", armored=armored))
    assert content.text == b"token: swordfish\n"
    assert "swordfish" in content.secrets.values


def test_a_file_for_other_recipients_is_told_by_name() -> None:
    other = Secret(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(SiteBroken, match=r"a\.yaml\.age: cannot be decrypted"):
        EncryptedFiles([other]).decrypted("a.yaml.age", encrypted("token: swordfish\n"))


def test_without_an_identity_the_setting_is_named() -> None:
    with pytest.raises(SiteBroken, match=r"secrets\.age_identity_file"):
        EncryptedFiles().decrypted("a.yaml.age", encrypted("x"))


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1NONSENSE", "# only a comment"])
def test_an_identity_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadIdentity) as caught:
        EncryptedFiles([Secret(text)])
    assert "NONSENSE" not in str(caught.value)


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def sops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the program: it prints what it was called with, and decrypts by taking ENC[…] away."""
    script = 'echo "# $*"; sed -e "s/ENC\\[[^]]*\\]/opened-value/" -e "/^sops:/,\\$d" /dev/stdin'
    path = program(tmp_path / "bin", "sops", script)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


@pytest.mark.usefixtures("sops")
def test_a_sops_file_is_opened_by_the_program_through_a_pipe() -> None:
    content = EncryptedFiles().decrypted("a.yaml", SOPS_FILE)
    assert b"--decrypt --input-type yaml --output-type yaml /dev/stdin" in content.text
    assert b"token: opened-value" in content.text
    assert ("token", "opened-value") in content.secrets.pairs


def test_without_the_program_a_sops_file_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SiteBroken, match="sops is not installed"):
        EncryptedFiles().decrypted("a.yaml", SOPS_FILE)


def test_a_sops_that_fails_or_hangs_is_told_with_what_it_says(sops: Path) -> None:
    sops.write_text("#!/bin/sh\necho first >&2; echo no key found >&2; exit 128\n")
    with pytest.raises(SiteBroken, match="status 128: first … no key found"):
        EncryptedFiles().decrypted("a.yaml", SOPS_FILE)
    sops.write_text("#!/bin/sh\nsleep 60\n")
    with pytest.raises(SiteBroken, match="took too long"):
        EncryptedFiles(sops_seconds=0.2).decrypted("a.yaml", SOPS_FILE)


def snapshot_with(folder: Path, variable: str, values: SitePrograms) -> Snapshot:
    model = f"entries:\n  - name: cp-1\n    layers: [all]\n    variables: {{token: {variable}}}\n"
    template = "machine:\n  token: {{ variables.token }}\n"
    write_machines(folder, {"machines.yaml": model, "all/10-token.yaml.j2": template})
    return Snapshot(Folder(folder).tree(), toolbox(programs=values))


def test_a_value_comes_from_a_program_that_the_site_allows_and_is_secret(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "site-secret", 'echo "$1 for $BOOTGRANT_ENTRY"')
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}, 'token-of-{{name}}']}}", SitePrograms([path]))
    made = found.finish("cp-1", MachineIdentity())
    assert b"token: token-of-cp-1 for cp-1" in made.config
    assert "token-of-cp-1 for cp-1" in made.secrets.values


def preview_of(found: Snapshot) -> str:
    made = found.finish("cp-1", MachineIdentity())
    return preview(made.parsed, made.secrets)


@pytest.mark.parametrize("script", ["printf superSecret99", "printf 'super\\nSecret99'", "printf 'superSecret99 #\"'"])
@pytest.mark.parametrize(
    "template",
    [
        "{{ variables.token | b64encode }}",
        "{{ variables.token | upper | tojson }}",
        "{{ variables['token'] | replace('S', 'Z') | tojson }}",
        "{% for x in variables.token %}{{ x | tojson }}, {% endfor %}",
        "{% set v = variables %}{{ v.token | b64encode }}",
        "{% set v %}{{ variables.token }}{% endset %}{{ v | b64encode }}",
        "{% macro f(v) %}{{ v | lower | b64encode }}{% endmacro %}{{ f(variables.token) }}",
        "{{ variables.items() | list | tojson | tojson }}",
        "{{ variables.token | tojson }}] # {{ variables.token | b64encode }}\n#",
    ],
)
def test_a_programs_value_is_in_no_preview_whatever_a_template_makes_of_it(
    tmp_path: Path, template: str, script: str
) -> None:
    path = program(tmp_path / "bin", "site-secret", script)
    model = f"entries:\n  - {{name: cp-1, layers: [x], schema: yaml, variables: {{token: {{exec: [{path}]}}}}}}\n"
    write_machines(tmp_path / "m", {"machines.yaml": model, "x/1.yaml.j2": f"a: [{template}]\n", "x/2.yaml": "b: 1\n"})
    found = Snapshot(Folder(tmp_path / "m").tree(), toolbox(programs=SitePrograms([path])))
    preview = preview_of(found)
    assert "b: 1" in preview
    assert not {letter for letter in "SsuperZct9MN" if letter in preview.replace("<redacted>", "")}


def test_a_value_that_is_only_written_down_leaves_the_rest_of_its_template_readable(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "site-secret", "printf superSecret99")
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms([path]))
    preview = preview_of(found)
    assert "clusterName: demo" in preview
    assert "superSecret99" not in preview


def test_what_an_encrypted_template_writes_is_in_no_preview(tmp_path: Path) -> None:
    model = "entries:\n  - {name: cp-1, layers: [x], schema: yaml}\n"
    write_machines(tmp_path, {"machines.yaml": model, "x/2.yaml": "plain: yes\n"})
    (tmp_path / "x/1.yaml.j2.age").write_bytes(encrypted("note: hunter2hunter2-{{ name }}\nlist: [{{ 40 + 2 }}]\n"))
    files = EncryptedFiles([Secret(str(IDENTITY))])
    found = Snapshot(Folder(tmp_path).tree(), toolbox(files))
    preview = preview_of(found)
    assert "plain: yes" in preview
    assert "hunter2" not in preview
    assert "42" not in preview


def test_comments_of_an_encrypted_file_that_is_served_as_it_is_are_in_no_preview(tmp_path: Path) -> None:
    write_machines(tmp_path, {"machines.yaml": "entries:\n  - {name: cp-1, layers: [x], schema: yaml}\n"})
    (tmp_path / "x").mkdir()
    (tmp_path / "x/1.yaml.age").write_bytes(encrypted("# old key: hunter2hunter2\nkey: new # hunter2\n"))
    found = Snapshot(Folder(tmp_path).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    assert "hunter2" not in preview_of(found)


@pytest.mark.parametrize(
    ("script", "says"),
    [("exit 3", "status 3"), ("sleep 60", "took too long"), ("yes", "printed more than"), ("printf '\\377'", "UTF-8")],
)
def test_a_program_that_gives_no_value_keeps_its_entry_from_being_served(
    tmp_path: Path, script: str, says: str
) -> None:
    path = program(tmp_path / "bin", "site-secret", script)
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms([path], seconds=0.5))
    assert [problem.rule for problem in found.problems()] == ["exec"]
    assert says in found.problems()[0].message


def test_no_complaint_repeats_a_secret(tmp_path: Path) -> None:
    folder = write_machines(tmp_path)
    wrong = "machine:\n  time: {bootTimeout: sw0rdfish}\n  certSANs: t0psecret\n"
    (folder / "control-plane/20-keys.yaml.age").write_bytes(encrypted(wrong))
    found = Snapshot(Folder(folder).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    (problem,) = found.problems()
    assert problem.message.startswith("machine.time.bootTimeout: '<redacted>' is no duration")
    assert "t0psecret" not in problem.message


def test_a_program_that_the_site_does_not_allow_is_not_run(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "site-secret", f"touch {tmp_path}/ran")
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms())
    assert "secrets.exec_programs" in found.problems()[0].message
    assert not (tmp_path / "ran").exists()


def test_what_was_opened_is_on_no_disk(tmp_path: Path) -> None:
    folder = write_machines(tmp_path / "m")
    (folder / "control-plane/20-keys.yaml.age").write_bytes(encrypted("machine:\n  token: swordfish-in-clear\n"))
    found = Snapshot(Folder(folder).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    assert b"swordfish-in-clear" in found.finish("cp-1", MachineIdentity()).config
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"swordfish-in-clear" not in path.read_bytes()


def test_a_program_that_hangs_is_not_waited_for_by_every_entry(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "site-secret", f"echo x >> {tmp_path}/runs; sleep 60")
    entry = "  - name: n{}\n    layers: [all]\n    variables: {{token: {{exec: [{}]}}}}\n"
    model = "entries:\n" + "".join(entry.format(number, path) for number in range(5))
    write_machines(tmp_path / "m", {"machines.yaml": model})
    found = Snapshot(Folder(tmp_path / "m").tree(), toolbox(programs=SitePrograms([path], seconds=0.3)))
    assert len(found.problems()) == 5
    assert (tmp_path / "runs").read_text() == "x\n"
