"""Files of other tools that are not machine configurations: what each of them is, and the way to bootgrant.

A file is recognised by its content, where that is unmistakable, or by the name that its tool gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bootgrant.machines.site.model import Schema
from bootgrant.machines.site.pointers import LFS_POINTER, is_lfs_pointer

_HTML: Final = re.compile(rb"\s*(?:(?><!--.*?-->)\s*)*+<(?:!doctype html|html\b)", re.IGNORECASE | re.DOTALL)
_BELOW: Final = (b" ", b"#", b"\t", b"\r", b"")
"""How a line begins that is not at the top level of a document."""
_KEY: Final = re.compile(rb"(?m)^[\"']?([A-Za-z][\w.-]*)[\"']?:")
_TALOS_KEYS: Final = frozenset({"machine", "cluster", "debug", "persist"})
_API_VERSION: Final = re.compile(rb"(?m)^apiVersion:[ \t]*[\"']?([\w./-]+)")
_KIND: Final = re.compile(rb"(?m)^kind:[ \t]*[\"']?(\w+)")

_TOPF: Final = "the project file of TOPF, not a configuration: make a machines folder with `bootgrant import topf DIR`"
_TALHELPER: Final = (
    "a file of talhelper, not a configuration: make a machines folder with `bootgrant import talhelper DIR`"
)
_SCHEMATIC: Final = (
    "a schematic of the Image Factory, not a configuration: it belongs to the boot image; put the installer image that "
    "it gives into machine.install.image, and move the file out"
)
_KUSTOMIZE: Final = (
    "a file of Kustomize, not a configuration: write the patches as layers, or put the output of `kustomize build` here"
)
_BUNDLE: Final = (
    "a secrets bundle of talosctl, not a configuration: `talosctl gen config --with-secrets FILE` makes one of it; "
    "keep the bundle out of this folder"
)
_TALOSCONFIG: Final = (
    "a client configuration of talosctl, not a machine's: it has an administrator's key, so move it out of this folder"
)
_OMNI: Final = (
    "a cluster template of Omni, not a configuration: apply it with omnictl; a machine that Omni manages needs only "
    "its SideroLinkConfig here"
)
_MANIFEST: Final = "a manifest of Kubernetes, not a configuration: put its text into cluster.inlineManifests of a layer"
_PAGE: Final = (
    "a web page (HTML), not a configuration: it was probably saved from a login page; download the file again"
)

_NAMES: Final = (
    (re.compile(r"topf\.ya?ml"), _TOPF),
    (re.compile(r"tal(?:config|env|secret)(?:\.sops)?\.ya?ml"), _TALHELPER),
    (re.compile(r"schematic[\w-]*\.ya?ml"), _SCHEMATIC),
    (re.compile(r"kustomization\.ya?ml"), _KUSTOMIZE),
    (
        re.compile(r"(?:Chart|values)\.ya?ml"),
        "a file of Helm or talm, not a configuration: render it (talm template) first",
    ),
    (re.compile(r"talosconfig(?:\.ya?ml)?"), _TALOSCONFIG),
)
_SHAPES: Final[tuple[tuple[Callable[[frozenset[str]], bool], str], ...]] = (
    (lambda keys: {"nodes", "clusterName", "clusterEndpoint"} <= keys, _TOPF),
    (lambda keys: {"nodes", "clusterName", "endpoint"} <= keys, _TALHELPER),
    (lambda keys: {"trustdinfo", "certs", "secrets"} <= keys, _BUNDLE),
    (lambda keys: {"context", "contexts"} <= keys, _TALOSCONFIG),
    (lambda keys: "customization" in keys and keys <= {"customization", "overlay", "owner"}, _SCHEMATIC),
)
_OMNI_KINDS: Final = frozenset(("Cluster", "ControlPlane", "Workers", "Machine"))


def foreign_name(path: str) -> str:
    """Return what a file is by the name that another tool gives it; empty for any other name."""
    name = path.rpartition("/")[2].removesuffix(".age").removesuffix(".j2")
    return next((message for pattern, message in _NAMES if pattern.fullmatch(name)), "")


def foreign_content(path: str, raw: bytes, schema: Schema) -> str:
    """Return what a decrypted file is if it is certainly not a configuration of this schema; empty otherwise.

    A ``text`` may be anything. A Kubernetes manifest is refused only where Talos would have to read it.
    """
    if is_lfs_pointer(raw):
        return LFS_POINTER
    if schema is Schema.TEXT:
        return ""
    if _HTML.match(raw[:4096]):
        return _PAGE
    if schema not in (Schema.TALOS, Schema.YAML):
        return ""
    top = b"\n".join(line for line in raw.split(b"\n") if line[:1] not in _BELOW)
    keys = frozenset(key.decode("ascii") for key in _KEY.findall(top))
    if _is_talos(keys, top):
        return ""
    by_shape = next((message for matches, message in _SHAPES if matches(keys)), "")
    return by_shape or foreign_name(path) or (_by_kind(top) if schema is Schema.TALOS else "")


def _is_talos(keys: frozenset[str], raw: bytes) -> bool:
    """Whether it has a document of Talos, or is a list of patches: a file is judged by that, whatever it is named."""
    if "trustdinfo" in keys:
        return False
    return bool(keys & _TALOS_KEYS) or raw.startswith(b"- ") or b"v1alpha1" in _API_VERSION.findall(raw)


def _by_kind(raw: bytes) -> str:
    versions, kinds = _API_VERSION.findall(raw), _KIND.findall(raw)
    if any(version.startswith(b"kustomize.config.k8s.io/") for version in versions):
        return _KUSTOMIZE
    if kinds and not versions and {kind.decode("ascii") for kind in kinds} <= _OMNI_KINDS:
        return _OMNI
    if kinds and versions and all(b"/" in version or version == b"v1" for version in versions):
        return _MANIFEST
    return ""
