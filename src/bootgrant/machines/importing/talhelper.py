"""Import a project of talhelper: talconfig.yaml, talenv.yaml, talsecret.yaml and the files that they name.

The order is talhelper's: what it generates for a node, the patches of its role, its own patches, the global patches,
then extra manifests (pkg/generate/config.go). Values of a node replace those of its role, patches are added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from bootgrant.machines.importing.project import (
    BASE,
    CONTROL_PLANE,
    WORKER,
    Cluster,
    Imported,
    ImportRefused,
    Json,
    Node,
    base_files,
    list_in,
    mapping_in,
    mappings_in,
    model_file,
    read_mapping,
    text_of,
    unknown_release,
    unmatched,
    version_of,
    write_yaml,
)
from bootgrant.machines.importing.secrets_bundle import secret_layers
from bootgrant.machines.importing.talhelper_nodes import generated, match_of, notes_of
from bootgrant.machines.importing.talhelper_texts import Texts
from bootgrant.machines.site.model import MODEL

PROJECT: Final = "talconfig.yaml"
BUNDLES: Final = ("talsecret.sops.yaml", "talsecret.yaml")
_ENVIRONMENTS: Final = ("talenv.sops.yaml", "talenv.yaml", "talenv.yml")
_GROUPS: Final[Mapping[str, str]] = {CONTROL_PLANE: "controlPlane", WORKER: "worker"}
_ADDED: Final[Mapping[str, str]] = {"extraManifests": "overrideExtraManifests", "certSANs": "overrideMachineCertSANs"}
"""Lists to which a role adds, unless the node has this switch."""
_CLUSTER: Final = "patches/cluster"
_GLOBAL: Final = "patches/all"
_NOT_CARRIED: Final[Mapping[str, str]] = {
    "imageFactory": "put the image into machine.install.image of a layer",
    "inlineManifests": "write them into cluster.inlineManifests of a layer for control planes",
}


def import_talhelper(files: Mapping[str, bytes], bundle: bytes | None) -> Imported:
    """Return the machines folder; ``bundle`` is the secrets bundle in clear, if it is there. Raises ImportRefused."""
    if PROJECT not in files:
        raise ImportRefused(f"there is no {PROJECT} in this folder: name the folder of the project")
    made = Imported()
    texts = Texts(files, _environment(files, made), made)
    project = read_mapping(PROJECT, texts.filled(PROJECT, files[PROJECT]))
    made.files |= base_files(_cluster(project))
    if bundle is not None:
        made.secret_files |= secret_layers(BUNDLES[0], bundle)
    made.files |= _cluster_patches(project)
    made.files |= texts.patches(list_in(project, "patches"), _GLOBAL)
    for role, group in _GROUPS.items():
        made.files |= texts.patches(list_in(mapping_in(project, group), "patches"), f"patches/{role}")
    nodes = [_node(one, project, texts, made) for one in _node_settings(project)]
    made.files[MODEL] = model_file(nodes, f"a project of talhelper ({PROJECT})", str(project["talosVersion"]))
    made.notes += [
        f"{PROJECT}: {key} was not carried over: {why}" for key, why in _NOT_CARRIED.items() if key in project
    ]
    made.notes += [*unknown_release(str(project["talosVersion"])), *unmatched(nodes)]
    return made


def _environment(files: Mapping[str, bytes], made: Imported) -> dict[str, str]:
    """Return the variables of talenv.yaml. Those of an encrypted file stay placeholders, which `check` reports."""
    found: dict[str, str] = {}
    for path in _ENVIRONMENTS:
        if path not in files:
            continue
        try:
            found |= {key: str(value) for key, value in read_mapping(path, files[path]).items() if value is not None}
        except ImportRefused:
            made.notes.append(
                f"{path} was not carried over, because it is encrypted: its variables ${{…}} are still in the layers, "
                "and `bootgrant check` names each; use a template (.j2) and a program (exec), or an encrypted layer"
            )
    return found


def _cluster(project: Mapping[str, Any]) -> Cluster:
    if not project.get("talosVersion"):
        raise ImportRefused(f"{PROJECT}: talosVersion is missing: add the version of the machines, such as v1.13.3")
    name, endpoint, kubernetes = (
        text_of(project, key, PROJECT) for key in ("clusterName", "endpoint", "kubernetesVersion")
    )
    return Cluster(
        name,
        endpoint,
        version_of(kubernetes),
        f"ghcr.io/siderolabs/installer:v{version_of(project['talosVersion'])}",
        str(project.get("domain") or "cluster.local"),
        list_in(project, "clusterPodNets") or ("10.244.0.0/16",),
        list_in(project, "clusterSvcNets") or ("10.96.0.0/12",),
    )


def _cluster_patches(project: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what talconfig.yaml sets for the whole cluster, apart from the base."""
    everyone: Json = {}
    control_plane: Json = {}
    if sans := project.get("additionalMachineCertSans"):
        everyone["machine"] = {"certSANs": sans}
    if project.get("cniConfig"):
        control_plane["network"] = {"cni": project["cniConfig"]}
    host = urlsplit(str(project["endpoint"])).hostname
    if sans := [one for one in list_in(project, "additionalApiServerCertSans") if one != host]:
        control_plane["apiServer"] = {"certSANs": sans}
    if project.get("allowSchedulingOnMasters") or project.get("allowSchedulingOnControlPlanes"):
        control_plane["allowSchedulingOnControlPlanes"] = True
    found = {f"{_CLUSTER}/01-cluster.yaml": write_yaml(everyone)} if everyone else {}
    if control_plane:
        found[f"{_CLUSTER}/{CONTROL_PLANE}/01-cluster.yaml"] = write_yaml({"cluster": control_plane})
    return found


def _node_settings(project: Mapping[str, Any]) -> Iterator[Json]:
    for number, one in enumerate(mappings_in(project, "nodes"), 1):
        if not isinstance(one.get("hostname"), str):
            raise ImportRefused(f"{PROJECT}: node {number} needs a hostname")
        yield one


def _node(one: Json, project: Mapping[str, Any], texts: Texts, made: Imported) -> Node:
    name = one["hostname"]
    role = CONTROL_PLANE if one.get("controlPlane") else WORKER
    group = mapping_in(project, _GROUPS[role])
    merged = _merged(one, group)
    place = f"node/{name}"
    made.files[f"{place}/01-node.yaml"] = generated(merged, texts, version_of(project["talosVersion"]))
    made.files |= texts.patches(list_in(one, "patches"), f"{place}/patches")
    made.files |= texts.patches(list_in(merged, "extraManifests"), f"{place}/manifests", are_files=True)
    made.notes += [f"{PROJECT}: {name}: {note}" for note in notes_of(merged)]
    wanted = [BASE, f"{BASE}/{role}", _CLUSTER, f"{_CLUSTER}/{role}", place]
    wanted += [] if one.get("overridePatches") else [f"patches/{role}"]
    wanted += [f"{place}/patches", _GLOBAL, f"{place}/manifests"]
    folders = {path.rpartition("/")[0] for path in made.paths}
    return Node(name, role, [layer for layer in wanted if layer in folders], match_of(merged))


def _merged(one: Json, group: Mapping[str, Any]) -> Json:
    """Return a node's settings on top of those of its role: a value that is given replaces the role's."""
    given = {key: value for key, value in one.items() if value not in (None, "", [], {}, False)}
    merged = {**group, **given}
    for key, switch in _ADDED.items():
        if not one.get(switch) and (list_in(given, key) and list_in(group, key)):
            merged[key] = [*given[key], *group[key]]
    return merged
