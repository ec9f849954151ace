"""`bootgrant check`, `render`, `machines` and `export`, as a person or a CI runs them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pyrage
import pytest
import yaml

from bootgrant.acquire.disks.image import Image
from bootgrant.acquire.disks.iso9660 import open_iso9660
from support.grants import UUID
from support.layered_site import MODEL, write_machines
from support.parts import program
from support.site import CONFIG, bootgrant, clean_environment

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/fra"


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bootgrant(*map(str, words)),
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment() | environment,
    )


def test_the_example_has_no_findings() -> None:
    identity = EXAMPLE / "demo-identity.txt"
    done = run("check", "--machines", EXAMPLE / "machines", "--age-identity-file", identity, "--strict")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("3 entries, no errors, no warnings")


def test_the_example_keeps_the_keys_of_the_cluster_from_workers() -> None:
    words = ("--machines", EXAMPLE / "machines", "--age-identity-file", EXAMPLE / "demo-identity.txt")
    shown = {name: run("render", name, *words, "--reveal", "--plain").stdout for name in ("cp-1", "worker-1")}
    keys = {name: len(re.findall(r" key: \w{20}", text)) for name, text in shown.items()}
    assert keys == {"cp-1": 4, "worker-1": 0}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    model = MODEL + f"  - name: twin\n    match: {{uuid: {UUID}}}\n    layers: [nope]\n"
    return write_machines(tmp_path / "m", {"machines.yaml": model, "extra/a.yaml": "machine: {}\n"})


def test_check_says_what_is_wrong_where_and_ends_with_one(broken: Path) -> None:
    done = run("check", "--machines", broken)
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert any("machines.yaml:12: a tie with cp-1" in line for line in errors)
    assert any("the layer nope is not a file or a folder" in line for line in errors)
    for warning in ("extra/a.yaml: no entry uses it", "all/00-base.yaml:5: token is a secret in clear text"):
        assert f"warning  {warning}" in done.stdout
    assert "s3cr3t" not in done.stdout


def test_check_warns_about_control_planes_selected_by_a_pattern(tmp_path: Path) -> None:
    model = MODEL.replace(f"uuid: {UUID}", "uuid: '40dcbd19-*'")
    done = run("check", "--machines", write_machines(tmp_path / "m", {"machines.yaml": model}))
    assert done.returncode == 0
    assert "a pattern leads to a control plane" in done.stdout
    assert run("check", "--machines", tmp_path / "m", "--strict").returncode == 1


def test_check_speaks_json_sarif_and_github(broken: Path) -> None:
    found = json.loads(run("check", "--machines", broken, "--format", "json").stdout)
    assert (found["entries"], found["errors"]) == (3, 2)
    assert {"level", "rule", "message", "file", "line", "entry"} == set(found["findings"][0])
    sarif = json.loads(run("check", "--machines", broken, "--format", "sarif").stdout)
    result = sarif["runs"][0]["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert (sarif["version"], result["ruleId"], place["region"]["startLine"]) == ("2.1.0", "tie", 12)
    assert place["artifactLocation"]["uri"].endswith("m/machines.yaml")
    lines = run("check", "--machines", broken, "--format", "github").stdout.splitlines()
    assert any(line.startswith("::error file=") and ",line=12,title=bootgrant tie::" in line for line in lines)


def test_check_reads_a_site_by_its_settings(tmp_path: Path) -> None:
    write_machines(tmp_path / "machines")
    (tmp_path / "bootgrant.toml").write_text('public_url = "http://x"\nnetworks.machines = ["192.168.0.0/16"]\n')
    done = run("check", "--config", tmp_path / "bootgrant.toml")
    assert done.returncode == 0
    assert "no machine gets it: networks.machines does not allow its networks" in done.stdout


def test_an_age_identity_may_come_from_the_environment_or_a_command(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    folder = write_machines(tmp_path / "machines")
    secret = pyrage.encrypt(b"cluster: {id: sw0rdfish}\n", [identity.to_public()])
    (folder / "all/10-id.yaml.age").write_bytes(bytes(secret))
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://x"\n')
    assert run("check", "--config", config).returncode == 1
    assert run("check", "--config", config, BOOTGRANT_AGE_IDENTITY=str(identity)).returncode == 0
    config.write_text(f'public_url = "http://x"\nsecrets.age_identity_command = ["echo", "{identity}"]\n')
    done = run("render", "cp-1", "--config", config)
    assert "id: <redacted>" in done.stdout
    assert "sw0rdfish" not in done.stdout + done.stderr


def test_render_shows_the_layer_of_each_value_and_redacts_secrets(tmp_path: Path) -> None:
    done = run("render", "cp-1", "--machines", write_machines(tmp_path / "m"))
    lines = {line.split("#")[0].strip(): line.partition("#")[2].strip() for line in done.stdout.splitlines()}
    assert lines["type: controlplane"] == "control-plane/10-role.yaml"
    assert lines["hostname: cp-1"] == "node/cp-1/50-name.yaml.j2"
    assert lines["token: <redacted>"] == "all/00-base.yaml"


def test_render_reveals_exactly_what_is_served(tmp_path: Path) -> None:
    done = run("render", "cp-1", "--machines", write_machines(tmp_path / "m"), "--reveal", "--plain")
    config = yaml.safe_load(done.stdout)
    assert config["machine"]["token"] == "s3cr3t-token"
    assert "#" not in done.stdout


def test_render_warns_about_surprises(tmp_path: Path) -> None:
    patch = "machine:\n  ca: {crt: LS0tLS1CRUdJTg==}\n"
    base = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==, key: Yg==}\ncluster: {}\n"
    folder = write_machines(tmp_path / "m", {"all/00-base.yaml": base, "all/10-ca.yaml": patch})
    assert "all/10-ca.yaml" in run("render", "cp-1", "--machines", folder).stderr


def test_render_of_an_unknown_name_lists_the_others(tmp_path: Path) -> None:
    done = run("render", "cp-2", "--machines", write_machines(tmp_path / "m"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bootgrant: there is no entry cp-2; the entries are: cp-1, spare-worker\n"


def test_render_shows_what_has_changed_since_a_commit_and_no_secret(tmp_path: Path) -> None:
    git = program("git", "git")
    folder = write_machines(tmp_path / "repository/machines")
    who = ("-c", "user.name=t", "-c", "user.email=t@example", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x")):
        subprocess.run([git, "-C", folder.parent, *words], check=True)
    base = folder / "all/00-base.yaml"
    base.write_text(base.read_text().replace("s3cr3t-token", "0ther-token").replace("demo", "other"))
    done = run("render", "cp-1", "--machines", folder, "--diff", "HEAD")
    assert "+    clusterName: other" in done.stdout
    assert len([line for line in done.stdout.splitlines() if "token: <redacted" in line]) == 2
    assert "token" not in done.stdout.replace("token: <redacted", "")
    gone = run("render", "cp-1", "--machines", folder, "--diff", "nope")
    assert (gone.returncode, "no commit nope" in gone.stderr) == (1, True)


def test_machines_explain_says_which_why_and_why_not_the_others(tmp_path: Path) -> None:
    folder = write_machines(tmp_path / "m")
    done = run("machines", "explain", "--uuid", UUID.upper(), "--mac", "52-2F-FD-DF-FC-C0", "--machines", folder)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "it gets cp-1 (machines.yaml, line 4): it matches by uuid",
        "  not spare-worker: it matches by mac 52:2f:*, but cp-1 is more specific: uuid",
    ]
    nothing = run("machines", "explain", "--serial", "SN9", "--machines", folder, "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["entry"]) == (1, None)
    assert run("machines", "explain", "--uuid", "0" * 32, "--machines", folder).returncode == 1
    assert "--uuid" in run("machines", "explain", "--machines", folder).stderr


def test_machines_list_shows_every_entry(tmp_path: Path) -> None:
    done = run("machines", "list", "--machines", write_machines(tmp_path / "m"))
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["NAME", "IS", "TALOS"], ["cp-1", "controlplane", "1.14"], ["spare-worker", "worker", "1.14"],
    ]  # fmt: skip


def test_without_a_server_the_list_has_no_states_and_says_so(tmp_path: Path) -> None:
    write_machines(tmp_path / "machines")
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"\n')
    done = run("machines", "list", "--config", config, "--label", "site=fra")
    assert (done.returncode, [line.split()[0] for line in done.stdout.splitlines()]) == (0, ["NAME", "cp-1"])
    assert "no states and deliveries: the server is not running" in done.stderr
    (entry,) = json.loads(run("machines", "list", "--config", config, "--label", "site=fra", "--json").stdout)[
        "entries"
    ]
    assert (entry["name"], entry["state"], entry["last_delivery"]) == ("cp-1", None, None)


def test_list_and_check_name_the_keys_of_a_worker(tmp_path: Path) -> None:
    write_machines(tmp_path, {"worker/20-keys.yaml": "cluster: {serviceAccount: {key: YQ==}}\n"})
    listed = json.loads(run("machines", "list", "--machines", tmp_path, "--json").stdout)["entries"]
    assert [each["precious"] for each in listed if each["machine_type"] == "worker"] == [["cluster.serviceAccount.key"]]
    assert "worker, has keys: cluster.serviceAccount.key" in run("machines", "list", "--machines", tmp_path).stdout
    checked = run("check", "--machines", tmp_path).stdout
    assert "but is not a control plane: cluster.serviceAccount.key." in checked


def test_export_writes_a_medium_that_a_machine_reads(tmp_path: Path) -> None:
    folder, out = write_machines(tmp_path / "m"), tmp_path / "cp-1.iso"
    done = run("export", "--metal-iso", "cp-1", out, "--machines", folder)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o077 == 0
    with out.open("rb") as file:
        volume = open_iso9660(Image(file.fileno()))
        assert volume is not None
        assert "metal-iso" in volume.labels
        config = volume.read("config.yaml", 1 << 20)
    assert config == run("render", "cp-1", "--machines", folder, "--reveal", "--plain").stdout.encode()
    again = run("export", "--metal-iso", "cp-1", out, "--machines", folder)
    assert (again.returncode, "nothing was overwritten" in again.stderr) == (1, True)


def test_export_writes_every_configuration_readable_only_by_its_owner(tmp_path: Path) -> None:
    template = "machine: {network: {hostname: '{{ machine.mac }}'}}\n"
    folder = write_machines(tmp_path / "m", {"worker/20-name.yaml.j2": template})
    done = run("export", "--folder", tmp_path / "out", "--machines", folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cp-1.yaml"]
    assert (tmp_path / "out/cp-1.yaml").stat().st_mode & 0o077 == 0
    assert done.returncode == 1
    assert "spare-worker was not written: each of its machines gets a different one" in done.stderr


def test_a_folder_of_finished_files_is_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.yaml").write_text("machine:\n  type: boss\ncluster: {}\n")
    done = run("check", "--machines", tmp_path)
    assert done.returncode == 1
    assert "machine.type" in done.stdout


def test_finished_files_next_to_entries_are_checked_as_well(tmp_path: Path) -> None:
    """As after `bootgrant init`, whose machines.yaml has no entries yet."""
    (tmp_path / "machines.yaml").write_text("entries: []\n")
    (tmp_path / f"{UUID}.yaml").write_text("machine:\n  type: boss\ncluster: {}\n")
    (tmp_path / "52-54-00-00-00-01.yaml").touch()
    (tmp_path / "52-54-00-00-00-02.yaml").write_text(CONFIG)
    done = run("check", "--machines", tmp_path)
    assert done.returncode == 1
    assert "machine.type" in done.stdout
    assert "52-54-00-00-00-01.yaml is empty" in done.stdout
    assert "3 entries, 3 errors, no warnings" in done.stdout


def test_a_variable_without_a_value_is_reported_and_never_written_as_none(tmp_path: Path) -> None:
    model = MODEL.replace("site: fra}", "site: fra}\n    variables: {address: }", 1)
    folder = write_machines(tmp_path / "m", {"machines.yaml": model})
    assert "the variable address has no value" in run("check", "--machines", folder).stdout
    write_machines(
        folder, {"machines.yaml": model, "node/cp-1/50-name.yaml.j2": "machine: {token: {{ variables.address }}}\n"}
    )
    done = run("check", "--machines", folder)
    assert done.returncode == 1
    assert "node/cp-1/50-name.yaml.j2:1: address is not defined" in done.stdout


def test_finished_files_that_no_machine_would_get_are_reported(tmp_path: Path) -> None:
    done = run("check", "--machines", write_machines(tmp_path / "m", {f"{UUID}.yaml": "machine: {}\n"}))
    assert f"warning  {UUID}.yaml: no machine gets it: the entry cp-1 names the same uuid" in done.stdout


def test_explain_knows_finished_files_too(tmp_path: Path) -> None:
    other = "7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11"
    folder = write_machines(tmp_path / "m", {f"{other}.yaml": "machine: {type: worker}\n"})
    done = run("machines", "explain", "--uuid", other, "--machines", folder)
    assert done.returncode == 0
    assert done.stdout.startswith(f"it gets {other}.yaml")


def test_a_problem_of_every_entry_is_reported_once(tmp_path: Path) -> None:
    model = "entries:\n" + "".join(f"  - name: n{number}\n    layers: [all]\n" for number in range(20))
    broken = "version: v1alpha1\nmachine: {}\ncluster: {}\n"
    layers = {"machines.yaml": model, "all/00-base.yaml": broken, "all/10-more.yaml": "machine: {env: {A: b}}\n"}
    folder = write_machines(tmp_path / "m", layers)
    done = run("check", "--machines", folder)
    (line,) = [line for line in done.stdout.splitlines() if "machine.ca" in line]
    assert line.startswith("error    all/00-base.yaml:2: machine.ca is missing")


def test_what_only_machines_can_check_is_noted_for_a_few_entries_and_is_not_an_error(tmp_path: Path) -> None:
    model = "entries:\n" + "".join(f"  - name: n{number}\n    layers: [all]\n" for number in range(20))
    disk = "machine: {install: {diskSelector: {size: '>= 10GB'}}}\n"
    base = "machine: {type: worker, ca: {crt: YQ==}}\ncluster: {}\n"
    layers = {"machines.yaml": model, "all/00-base.yaml": base, "all/10-disk.yaml": disk}
    other = {"control-plane/10-role.yaml": None, "worker/10-role.yaml": None, "node/cp-1/50-name.yaml.j2": None}
    done = run("check", "--strict", "--machines", write_machines(tmp_path / "m", {**layers, **other}))
    notes = [line for line in done.stdout.splitlines() if line.startswith("note ")]
    assert done.returncode == 0, done.stdout
    assert len(notes) == 3
    assert "1 thing was not checked: whether machine.install.diskSelector matches a disk" in notes[0]
    assert notes[-1].endswith("(and 17 more of the same)")
    assert "no errors, no warnings, 20 notes" in done.stdout


def test_a_problem_in_a_finished_file_is_reported_with_its_line(tmp_path: Path) -> None:
    model = "entries:\n" + "".join(f"  - name: n{number}\n    layers: [all]\n" for number in range(20))
    broken = "version: v1alpha1\nmachine:\n  typ: worker\n"
    folder = write_machines(tmp_path / "m", {"machines.yaml": model, "all/00-base.yaml": broken})
    (line,) = [line for line in run("check", "--machines", folder).stdout.splitlines() if "machine.typ" in line]
    assert line.startswith("error    all/00-base.yaml:3: ")


def test_an_encrypted_file_in_a_folder_of_finished_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.yaml").write_text("machine:\n  token: ENC[AES256_GCM,data:a]\nsops:\n  mac: ENC[a]\n")
    done = run("check", "--machines", tmp_path)
    assert done.returncode == 1
    assert f"{UUID}.yaml:1: encrypted with SOPS: a finished file is served unchanged" in done.stdout


def test_what_other_tools_left_is_named_with_the_way_over(tmp_path: Path) -> None:
    (tmp_path / "topf.yaml").write_text("clusterName: demo\nnodes: []\n")
    done = run("check", "--machines", tmp_path)
    assert done.returncode == 1
    assert "bootgrant import topf DIR" in done.stdout
