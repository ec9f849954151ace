"""The chart, rendered with Helm: what Kubernetes accepts, what it refuses, and servers that start with its settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
import yaml

from support.grants import UUID
from support.parts import built_program, missing, program
from support.postgres_cluster import PASSWORD, Cluster
from support.site import CONFIG, booting, clean_environment, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "packaging/kubernetes/bootgrant"
RELEASES = ("1.27.0", "1.31.0", "1.37.0")
IMAGE = "image.repository=registry.example.org/bootgrant"
URL = "publicUrl=https://boot.example.org"
SQLITE = (IMAGE, URL, "replicas=1", "machines.secret.name=machines")
REPLICAS = (
    IMAGE, URL, "machines.secret.name=machines", "codeKeySecret.name=code-key", "database.passwordSecret.name=password",
    "database.url=postgresql://bootgrant@db.example.org/bootgrant",
)  # fmt: skip
EVERYTHING = (
    *REPLICAS, "ingress.enabled=true", "ingress.tlsSecret=cert", "ingress.className=nginx", "service.type=LoadBalancer",
    "serviceMonitor.enabled=true", "serviceMonitor.labels.release=prometheus", "image.pullSecrets[0].name=pull",
    "networkPolicy.from[0].ipBlock.cidr=10.0.0.0/8", "networkPolicy.to[0].ipBlock.cidr=10.9.0.0/24",
    "secretFiles[0].name=oidc", "secretFiles[0].secret=oidc", "settings.oidc[0].name=corp",
    "settings.oidc[0].issuer=https://login.example.org", "settings.grants.lifetime=15m",
    "settings.networks.trusted_proxies={10.0.0.0/8}", "priorityClassName=high", "podAnnotations.team=metal",
    "nodeSelector.disk=ssd", "machines.secret.items[0].key=a", "machines.secret.items[0].path=all/a",
)  # fmt: skip


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Helm as if for a cluster; it has no cluster here whose version it could see."""
    command = [str(built_program("helm")), *words, "--kube-version", RELEASES[0]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def rendered(*values: str, name: str = "bootgrant") -> list[dict[str, Any]]:
    words = [word for value in values for word in ("--set", value)]
    done = helm("template", name, str(CHART), *words)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [document for document in documents if document["kind"] == kind]
    return found


@pytest.mark.parametrize(
    "values",
    [SQLITE, REPLICAS, EVERYTHING, (*SQLITE, "databaseIsOlder=true")],
    ids=["sqlite", "replicas", "everything", "restored"],
)
def test_helm_and_kubernetes_accept_it(tmp_path: Path, values: tuple[str, ...]) -> None:
    words = [word for value in values for word in ("--set", value)]
    linted = helm("lint", "--strict", str(CHART), *words)
    assert linted.returncode == 0, linted.stdout
    documents = rendered(*values)
    monitors = [document for document in documents if document["kind"] == "ServiceMonitor"]
    for monitor in monitors:
        definition = yaml.safe_load(installed(ROOT / ".cache/servicemonitors.yaml").read_text())
        jsonschema.validate(monitor, definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(document for document in documents if document not in monitors))
    validate = installed(ROOT / ".venv/kubernetes/bin/kubernetes-validate")
    for release in RELEASES:
        done = subprocess.run([validate, "-k", release, "--strict", file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("passed") == len(documents) - len(monitors), done.stdout


def installed(path: Path) -> Path:
    if not path.exists():
        missing(f"{path} is not there (make test-packaging)")
    return path


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((IMAGE,), "publicUrl: set it to the address"),
        ((URL, "replicas=1", "machines.secret.name=m"), "image.repository: set it to the image"),
        ((IMAGE, URL, "machines.secret.name=m"), "replicas: SQLite has one server"),
        ((*REPLICAS, "codeKeySecret.name="), "codeKeySecret.name: the servers of one database share a code key"),
        ((*SQLITE, "machines.existingClaim=m"), "machines: set exactly one of"),
        ((IMAGE, URL, "replicas=1"), "machines: set exactly one of"),
        ((*SQLITE, "settings.data=/x"), "settings.data: the chart sets it"),
        ((*SQLITE, "replica=2"), "additional properties 'replica' not allowed"),
        ((*SQLITE, "publicUrl=boot.example.org"), "does not match pattern"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(values: tuple[str, ...], said: str) -> None:
    done = helm("template", "bootgrant", str(CHART), *[word for value in values for word in ("--set", value)])
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize(("values", "before"), [(SQLITE, []), (REPLICAS, ["migrate"])], ids=["sqlite", "replicas"])
def test_servers_on_a_restored_database_are_marked_before_they_start(
    values: tuple[str, ...], before: list[str]
) -> None:
    pod = of_kind(rendered(*values, "databaseIsOlder=true"), "Deployment")["spec"]["template"]["spec"]
    [server] = pod["containers"]
    assert [each["name"] for each in pod["initContainers"]] == [*before, "mark"]
    mark = pod["initContainers"][-1]
    assert mark["args"][:2] == ["restore", "--mark"]
    assert (mark["volumeMounts"], mark["securityContext"]) == (server["volumeMounts"], server["securityContext"])


def test_no_secret_is_in_it_and_every_container_is_confined() -> None:
    documents = rendered(*EVERYTHING)
    assert not [document for document in documents if document["kind"] == "Secret"]
    pod = of_kind(documents, "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    containers = [*pod["initContainers"], *pod["containers"]]
    assert [container["name"] for container in containers] == ["migrate", "bootgrant"]
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_changed_setting_starts_new_servers() -> None:
    def checksum(*more: str) -> str:
        template = of_kind(rendered(*REPLICAS, *more), "Deployment")["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/settings"]
        return found

    assert checksum() == checksum("replicas=3")
    assert checksum() != checksum("settings.grants.lifetime=15m")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the chart without Kubernetes: its containers run with its volumes, its user, and a read-only root."""

    spec: Mapping[str, Any]
    volumes: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, container: Mapping[str, Any], *words: str) -> list[str]:
        """The command that runs ``words`` in a container, as `kubectl exec` does."""
        user = self.spec["securityContext"]
        roots = {"/usr", "/lib", "/lib64", "/bin", "/sbin", str(ROOT), sys.prefix, sys.base_prefix}
        binds = [word for root in sorted(roots) if Path(root).exists() for word in ("--ro-bind", root, root)]
        for mount in container["volumeMounts"]:
            source = self.volumes / mount["name"] / mount.get("subPath", "")
            binds += ["--ro-bind" if mount.get("readOnly") else "--bind", str(source), mount["mountPath"]]
        environment = [word for env in container.get("env", []) for word in ("--setenv", env["name"], env["value"])]
        return [
            str(program("bwrap", "bubblewrap")), "--unshare-user", "--unshare-pid", "--die-with-parent",
            "--uid", str(user["runAsUser"]), "--gid", str(user["runAsGroup"]), "--proc", "/proc", "--dev", "/dev",
            *binds, "--remount-ro", "/", "--setenv", "BOOTGRANT_LISTEN", f"127.0.0.1:{self.port}",
            "--setenv", "BOOTGRANT_PUBLIC_URL", self.url, *environment,
            "--", sys.executable, "-m", "bootgrant", *words,
        ]  # fmt: skip

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(self.spec["containers"][0], *words), capture_output=True, text=True, timeout=60,
            env=clean_environment(),
        )  # fmt: skip

    @contextmanager
    def started(self) -> Iterator[None]:
        """The pod as the kubelet runs it: first what prepares it, then the server until its probes succeed."""
        for container in self.spec.get("initContainers", []):
            done = subprocess.run(
                self.command(container, *container["args"]), capture_output=True, text=True, timeout=60,
                env=clean_environment(),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        [container] = self.spec["containers"]
        with (self.volumes / "log").open("w") as log:
            process = subprocess.Popen(self.command(container, *container["args"]), stderr=log, env=clean_environment())
        try:
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                path = container[name]["httpGet"]["path"]
                wait_until(lambda path=path: self.probe(path), f"{path}: {(self.volumes / 'log').read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(self.spec["terminationGracePeriodSeconds"])

    def probe(self, path: str) -> bool:
        """As the kubelet asks: at the address of the pod, with that as the host."""
        try:
            return httpx2.get(f"{self.url}{path}", headers={"Host": "10.244.0.7:8080"}, timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


def pod(documents: list[dict[str, Any]], folder: Path, secrets: Mapping[str, Mapping[str, bytes]]) -> Pod:
    """Lay out the volumes as the kubelet does: files of secrets and settings are links into a hidden folder."""
    spec = of_kind(documents, "Deployment")["spec"]["template"]["spec"]
    for volume in spec["volumes"]:
        place = folder / volume["name"]
        place.mkdir(parents=True)
        if "secret" in volume:
            content = secrets[volume["secret"]["secretName"]]
            items = volume["secret"].get("items") or [{"key": key, "path": key} for key in content]
            project(place, {item["path"]: content[item["key"]] for item in items})
        elif "configMap" in volume:
            project(place, {name: text.encode() for name, text in of_kind(documents, "ConfigMap")["data"].items()})
        else:
            place.chmod(0o2777)  # an emptyDir with fsGroup
    return Pod(spec, folder, free_port())


def project(place: Path, files: Mapping[str, bytes]) -> None:
    hidden = place / "..2026_11_30"
    for path, content in files.items():
        file = hidden / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o440)
    (place / "..data").symlink_to(hidden.name)
    for name in {path.partition("/")[0] for path in files}:
        (place / name).symlink_to(f"..data/{name}")


def approve_a_machine(asks: Pod, decides: Pod, folder: Path) -> str:
    """A machine asks one pod; a person approves at another. Return what the machine got."""
    added = decides.exec("operators", "add", "ana", "--role", "admin")
    assert added.returncode == 0, added.stderr
    with booting(asks.url, folder) as machine:
        approved = decides.exec("approve", machine.code())
        assert approved.returncode == 0, approved.stderr
        return machine.delivered()


def test_two_servers_of_the_chart_share_a_database(postgres: Cluster, tmp_path: Path) -> None:
    name = postgres.create()
    try:
        secrets = {
            "machines": {"one": CONFIG.encode()},
            "code-key": {"code.key": os.urandom(32)},
            "password": {"password": PASSWORD.encode()},
        }
        values = (
            *REPLICAS, f"database.url={postgres.url(name, '')}",
            "machines.secret.items[0].key=one", f"machines.secret.items[0].path={UUID}.yaml",
        )  # fmt: skip
        first, second = (pod(rendered(*values), tmp_path / part, secrets) for part in ("first", "second"))
        with ExitStack() as both:
            both.enter_context(first.started())
            both.enter_context(second.started())
            assert approve_a_machine(first, second, tmp_path) == CONFIG
    finally:
        postgres.drop(name)


def test_one_server_of_the_chart_keeps_its_database_on_its_volume(tmp_path: Path) -> None:
    only = pod(rendered(*SQLITE), tmp_path / "pod", {"machines": {f"{UUID}.yaml": CONFIG.encode()}})
    with only.started():
        assert approve_a_machine(only, only, tmp_path) == CONFIG
    with only.started():
        [operator] = json.loads(only.exec("operators", "list", "--json").stdout)["operators"]
        assert operator["name"] == "ana"
