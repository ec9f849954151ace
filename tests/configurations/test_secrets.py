"""Values of programs and encrypted files in a snapshot: used in configurations, shown in no preview and no message."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest

from bootgrant.configurations.limits import EntryLimits
from bootgrant.configurations.snapshot import Snapshot
from bootgrant.configurations.worker_process import Worker, WorkerFailed
from bootgrant.machines.finish.redaction import preview
from bootgrant.sources.encrypted_files import EncryptedFiles
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from support.layered_site import site_program, toolbox, write_machines
from support.workers import ThreadWorker

IDENTITY = pyrage.x25519.Identity.generate()


def encrypted(text: str) -> bytes:
    return bytes(pyrage.encrypt(text.encode(), [IDENTITY.to_public()]))


def snapshot_with(folder: Path, variable: str, values: SitePrograms) -> Snapshot:
    model = f"entries:\n  - name: cp-1\n    layers: [all]\n    variables: {{token: {variable}}}\n"
    template = "machine:\n  token: {{ variables.token }}\n"
    write_machines(folder, {"machines.yaml": model, "all/10-token.yaml.j2": template})
    return Snapshot(Folder(folder).tree(), toolbox(programs=values))


def test_the_value_of_an_allowed_program_is_used_and_secret(tmp_path: Path) -> None:
    path = site_program(tmp_path / "bin", 'echo "$1 for $BOOTGRANT_ENTRY"')
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
def test_a_programs_value_is_in_no_preview_however_a_template_transforms_it(
    tmp_path: Path, template: str, script: str
) -> None:
    path = site_program(tmp_path / "bin", script)
    model = f"entries:\n  - {{name: cp-1, layers: [x], schema: yaml, variables: {{token: {{exec: [{path}]}}}}}}\n"
    write_machines(tmp_path / "m", {"machines.yaml": model, "x/1.yaml.j2": f"a: [{template}]\n", "x/2.yaml": "b: 1\n"})
    found = Snapshot(Folder(tmp_path / "m").tree(), toolbox(programs=SitePrograms([path])))
    preview = preview_of(found)
    assert "b: 1" in preview
    assert not {letter for letter in "SsuperZct9MN" if letter in preview.replace("<redacted>", "")}


def test_a_value_that_is_not_transformed_leaves_the_rest_of_its_template_readable(tmp_path: Path) -> None:
    path = site_program(tmp_path / "bin", "printf superSecret99")
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms([path]))
    preview = preview_of(found)
    assert "clusterName: demo" in preview
    assert "superSecret99" not in preview


def test_a_programs_value_is_redacted_under_any_key(tmp_path: Path) -> None:
    path = site_program(tmp_path / "bin", "printf superSecret99")
    model = f"entries:\n  - name: cp-1\n    layers: [all]\n    variables: {{name: {{exec: [{path}]}}}}\n"
    template = "machine:\n  network:\n    hostname: {{ variables.name }}\n"
    write_machines(tmp_path / "m", {"machines.yaml": model, "all/10-name.yaml.j2": template})
    found = Snapshot(Folder(tmp_path / "m").tree(), toolbox(programs=SitePrograms([path])))
    assert b"hostname: superSecret99" in found.finish("cp-1", MachineIdentity()).config
    assert "superSecret99" not in preview_of(found)


def test_the_output_of_an_encrypted_template_is_in_no_preview(tmp_path: Path) -> None:
    model = "entries:\n  - {name: cp-1, layers: [x], schema: yaml}\n"
    write_machines(tmp_path, {"machines.yaml": model, "x/2.yaml": "plain: yes\n"})
    (tmp_path / "x/1.yaml.j2.age").write_bytes(encrypted("note: hunter2hunter2-{{ name }}\nlist: [{{ 40 + 2 }}]\n"))
    files = EncryptedFiles([Secret(str(IDENTITY))])
    found = Snapshot(Folder(tmp_path).tree(), toolbox(files))
    preview = preview_of(found)
    assert "plain: yes" in preview
    assert "hunter2" not in preview
    assert "42" not in preview


def test_comments_of_an_encrypted_file_are_in_no_preview(tmp_path: Path) -> None:
    write_machines(tmp_path, {"machines.yaml": "entries:\n  - {name: cp-1, layers: [x], schema: yaml}\n"})
    (tmp_path / "x").mkdir()
    (tmp_path / "x/1.yaml.age").write_bytes(encrypted("# old key: hunter2hunter2\nkey: new # hunter2\n"))
    found = Snapshot(Folder(tmp_path).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    assert "hunter2" not in preview_of(found)


@pytest.mark.parametrize(
    ("script", "says"),
    [("exit 3", "status 3"), ("sleep 60", "took too long"), ("yes", "printed more than"), ("printf '\\377'", "UTF-8")],
)
def test_an_entry_whose_program_has_no_value_is_not_served(tmp_path: Path, script: str, says: str) -> None:
    path = site_program(tmp_path / "bin", script)
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms([path], seconds=0.5))
    assert [problem.rule for problem in found.problems()] == ["exec"]
    assert says in found.problems()[0].message


def test_no_message_quotes_a_secret(tmp_path: Path) -> None:
    folder = write_machines(tmp_path)
    wrong = "machine:\n  time: {bootTimeout: sw0rdfish}\n  certSANs: t0psecret\n"
    (folder / "control-plane/20-keys.yaml.age").write_bytes(encrypted(wrong))
    found = Snapshot(Folder(folder).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    (problem,) = found.problems()
    assert problem.message.startswith("machine.time.bootTimeout: '<redacted>' ")
    assert "t0psecret" not in problem.message


def test_a_program_that_the_site_does_not_allow_is_not_run(tmp_path: Path) -> None:
    path = site_program(tmp_path / "bin", f"touch {tmp_path}/ran")
    found = snapshot_with(tmp_path / "m", f"{{exec: [{path}]}}", SitePrograms())
    assert "secrets.exec_programs" in found.problems()[0].message
    assert not (tmp_path / "ran").exists()


def test_decrypted_text_is_on_no_disk(tmp_path: Path) -> None:
    folder = write_machines(tmp_path / "m")
    (folder / "control-plane/20-keys.yaml.age").write_bytes(encrypted("machine:\n  token: swordfish-in-clear\n"))
    found = Snapshot(Folder(folder).tree(), toolbox(EncryptedFiles([Secret(str(IDENTITY))])))
    assert b"swordfish-in-clear" in found.finish("cp-1", MachineIdentity()).config
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"swordfish-in-clear" not in path.read_bytes()


def test_a_program_that_hangs_delays_only_one_entry(tmp_path: Path) -> None:
    path = site_program(tmp_path / "bin", f"echo x >> {tmp_path}/runs; sleep 60")
    entry = "  - name: n{}\n    layers: [all]\n    variables: {{token: {{exec: [{}]}}}}\n"
    model = "entries:\n" + "".join(entry.format(number, path) for number in range(5))
    write_machines(tmp_path / "m", {"machines.yaml": model})
    found = Snapshot(Folder(tmp_path / "m").tree(), toolbox(programs=SitePrograms([path], seconds=0.3)))
    assert len(found.problems()) == 5
    assert (tmp_path / "runs").read_text() == "x\n"


def test_the_traceback_of_an_unforeseen_error_does_not_have_its_text() -> None:
    worker = Worker(ThreadWorker)
    with pytest.raises(WorkerFailed) as failed:
        worker.ask({"do": "token-of-cp-1"}, (), EntryLimits(), lambda message, blobs: (message, blobs))
    assert "serving.py" in str(failed.value)
    assert "KeyError" in str(failed.value)
    assert "token-of-cp-1" not in str(failed.value)
