"""Import a project of TOPF: topf.yaml, secrets.yaml, and the folders all/, control-plane/, worker/ and node/<host>/.

The folders are layers as they are, because bootgrant's layout is the same; Go templates become Jinja2 templates.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.machines.importing.go_templates import NotSimple, to_jinja
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
from bootgrant.machines.site.model import MODEL

PROJECT: Final = "topf.yaml"
_DEFAULT_SCHEMATIC: Final = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
"""The Image Factory's schematic without any extension."""
_KNOWN: Final = frozenset(
    {
        "clusterName", "clusterEndpoint", "kubernetesVersion", "talosVersion", "schematicId", "factory", "platform",
        "secureboot", "patchesDir", "secretsPath", "data", "nodes",
    }
)  # fmt: skip
_IDENTITIES: Final[Mapping[str, str]] = {"uuid": "uuid", "serial": "serial", "mac": "mac", "macaddress": "mac"}
_IMAGE_KEYS: Final = frozenset({"talosVersion", "schematicId", "factory", "platform", "secureboot"})
_USED: Final = re.compile(r"\bvariables\.(\w+)")
_TEMPLATES: Final = (".yaml.tpl", ".yml.tpl")


@dataclass(frozen=True, slots=True)
class Project:
    """A project that was read; ``bundle`` is the path of its secrets, ``folder`` the one with the layers."""

    settings: Mapping[str, Any]
    bundle: str
    folder: str


def read_project(files: Mapping[str, bytes]) -> Project:
    """Raises ImportRefused."""
    if PROJECT not in files:
        raise ImportRefused(f"there is no {PROJECT} in this folder: name the folder of the project")
    settings = read_mapping(PROJECT, files[PROJECT])
    folder = posixpath.normpath(str(settings.get("patchesDir") or "."))
    bundle = posixpath.normpath(str(settings.get("secretsPath") or "secrets.yaml"))
    if folder.startswith(("/", "..")) or bundle.startswith(("/", "..")):
        raise ImportRefused(f"{PROJECT}: patchesDir and secretsPath must be below its folder: copy them there first")
    return Project(settings, bundle, "" if folder == "." else f"{folder}/")


def import_topf(files: Mapping[str, bytes], project: Project, bundle: bytes | None) -> Imported:
    """Return the machines folder; ``bundle`` is the secrets bundle in clear, if it is there. Raises ImportRefused."""
    made = Imported()
    settings = project.settings
    made.files |= base_files(_cluster(settings))
    if bundle is not None:
        made.secret_files |= secret_layers(project.bundle, bundle)
    _copy_layers(files, project.folder, made)
    used = set(_USED.findall("".join(text.decode() for path, text in made.files.items() if path.endswith(".j2"))))
    nodes = [_node(one, settings, used, made) for one in _node_settings(settings)]
    made.files[MODEL] = model_file(nodes, f"a project of TOPF ({PROJECT})", str(settings["talosVersion"]))
    made.notes += [
        f"{PROJECT}: {key} was not carried over: {_REASONS.get(key, _UNKNOWN)}" for key in _strange(settings)
    ]
    made.notes += [*unknown_release(str(settings["talosVersion"])), *unmatched(nodes)]
    return made


_UNKNOWN: Final = "it is not known"
_REASONS: Final = {
    "secretsProvider": "run it once, and save its output as secrets.yaml before the import",
    "nodesProvider": "run it once, and add its nodes to topf.yaml before the import",
}


def _strange(settings: Mapping[str, Any]) -> list[str]:
    return sorted(settings.keys() - _KNOWN)


def _cluster(settings: Mapping[str, Any]) -> Cluster:
    kubernetes = version_of(text_of(settings, "kubernetesVersion", PROJECT))
    name, endpoint = (text_of(settings, key, PROJECT) for key in ("clusterName", "clusterEndpoint"))
    return Cluster(name, endpoint, kubernetes, _image(settings))


def _image(settings: Mapping[str, Any]) -> str:
    if not settings.get("talosVersion"):
        raise ImportRefused(f"{PROJECT}: talosVersion is missing: add the version of the machines, such as 1.13.3")
    version = version_of(settings["talosVersion"])
    schematic = str(settings.get("schematicId") or _DEFAULT_SCHEMATIC)
    if schematic.startswith("@"):
        schematic = _DEFAULT_SCHEMATIC
    kind = f"{settings.get('platform') or 'metal'}-installer{'-secureboot' if settings.get('secureboot') else ''}"
    return f"{settings.get('factory') or 'factory.talos.dev'}/{kind}/{schematic}:v{version}"


def _node_settings(settings: Mapping[str, Any]) -> Iterator[Json]:
    for number, one in enumerate(mappings_in(settings, "nodes"), 1):
        if one.get("role") not in (CONTROL_PLANE, WORKER):
            raise ImportRefused(f"{PROJECT}: node {number} needs a host, and the role control-plane or worker")
        yield one


def _node(one: Json, settings: Mapping[str, Any], used: Set[str], made: Imported) -> Node:
    name = text_of(one, "host", PROJECT)
    role = str(one["role"])
    own = {key: value for key, value in one.items() if key in _IMAGE_KEYS}
    for where in (settings, one):
        if str(where.get("schematicId", "")).startswith("@"):
            _note_once(made, f"{PROJECT}: schematicId {where['schematicId']} was not carried over: {_SCHEMATIC}")
    layers = [BASE, *([f"{BASE}/{role}"] if role == CONTROL_PLANE else [])]
    if own:
        made.files[f"{BASE}/node/{name}/01-install.yaml"] = _install({**settings, **own})
        layers.append(f"{BASE}/node/{name}")
    folders = {path.rpartition("/")[0] for path in made.files if not path.endswith(".orig")}
    layers += [folder for folder in ("all", role, f"node/{name}") if folder in folders]
    data = {key: value for where in (settings, one) for key, value in mapping_in(where, "data").items()}
    match = {_IDENTITIES[key.lower()]: value for key, value in data.items() if key.lower() in _IDENTITIES}
    variables = {key: value for key, value in _variables(one, settings, data).items() if key in used}
    return Node(name, role, layers, match, variables, str(one.get("talosVersion") or ""))


_SCHEMATIC: Final = (
    "upload it to the Image Factory, and put the image that it gives into machine.install.image of a layer"
)


def _install(settings: Mapping[str, Any]) -> bytes:
    return write_yaml({"machine": {"install": {"image": _image(settings)}}})


def _variables(one: Json, settings: Mapping[str, Any], data: Mapping[str, Any]) -> Json:
    known = {
        "ip": one.get("ip"),
        "cluster_name": settings.get("clusterName"),
        "cluster_endpoint": settings.get("clusterEndpoint"),
        "kubernetes_version": version_of(settings.get("kubernetesVersion", "")),
        "talos_version": version_of(one.get("talosVersion") or settings.get("talosVersion") or ""),
    }
    return {key: value for key, value in {**known, **data}.items() if value not in (None, "")}


def _copy_layers(files: Mapping[str, bytes], folder: str, made: Imported) -> None:
    for path, content in sorted(files.items()):
        name = path.removeprefix(folder) if path.startswith(folder) else ""
        steps = name.split("/")
        is_layer = (len(steps) == 2 and steps[0] in ("all", CONTROL_PLANE, WORKER)) or (
            len(steps) == 3 and steps[0] == "node"
        )
        if not is_layer:
            continue
        if name.endswith(_TEMPLATES):
            _copy_template(name, content, made)
        elif name.endswith((".yaml", ".yml")):
            made.files[name] = content
            if b"ref+" in content:
                made.notes.append(
                    f"{name}: its vals references (ref+…) are not resolved: use a program (exec) for them"
                )
        else:
            made.notes.append(f"{name} was not carried over: TOPF does not read it either")


def _copy_template(name: str, content: bytes, made: Imported) -> None:
    try:
        made.files[f"{name.removesuffix('.tpl')}.j2"] = to_jinja(content.decode("utf-8")).encode()
    except UnicodeDecodeError:
        made.notes.append(f"{name} was not carried over: it is not UTF-8")
    except NotSimple as reason:
        made.files[f"{name}.orig"] = content
        made.notes.append(
            f"{name} was not carried over, because it has {reason}: write it for Jinja2, with a name that ends in .j2 "
            f"(the original is {name}.orig, which is not read)"
        )


def _note_once(made: Imported, note: str) -> None:
    if note not in made.notes:
        made.notes.append(note)
