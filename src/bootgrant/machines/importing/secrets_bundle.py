"""The secrets bundle of `talosctl gen secrets` (secrets.yaml, talsecret.yaml), as two layers.

Every machine gets the certificates and tokens, only control planes the keys, as in Talos's own configurations
(pkg/machinery/config/generate: worker.go, controlplane.go; the bundle: pkg/machinery/config/generate/secrets).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootgrant.machines.importing.project import BASE, CONTROL_PLANE, ImportRefused, Json, read_mapping, write_yaml
from bootgrant.machines.yaml.reading import YamlError, read_yaml
from bootgrant.machines.yaml.scalars import core_value

_ENCRYPTION_SECRETS = ("secretboxEncryptionSecret", "aescbcEncryptionSecret")
"""Their names in a bundle are the same in lower case."""
_NEEDED = ("os", "k8s", "k8saggregator", "k8sserviceaccount", "etcd")


def secret_layers(path: str, content: bytes) -> dict[str, bytes]:
    """Return the layers of a bundle, which must be encrypted. Raises ImportRefused, without any value of the bundle."""
    bundle = read_mapping(path, content)
    certs, cluster, secrets = (_section(bundle, key, path) for key in ("certs", "cluster", "secrets"))
    authority = {name: _section(certs, name, path) for name in _NEEDED}
    everyone: Json = {
        "machine": {
            "token": _value(_section(bundle, "trustdinfo", path), "token", path),
            "ca": {"crt": _value(authority["os"], "crt", path), "key": ""},
        },
        "cluster": {
            "id": _value(cluster, "id", path),
            "secret": _value(cluster, "secret", path),
            "token": _value(secrets, "bootstraptoken", path),
            "ca": {"crt": _value(authority["k8s"], "crt", path), "key": ""},
        },
    }
    keys = {name: secrets[name.lower()] for name in _ENCRYPTION_SECRETS if secrets.get(name.lower())}
    control_plane: Json = {
        "machine": {"ca": _pair(authority["os"], path)},
        "cluster": {
            "ca": _pair(authority["k8s"], path),
            **keys,
            "aggregatorCA": _pair(authority["k8saggregator"], path),
            "serviceAccount": {"key": _value(authority["k8sserviceaccount"], "key", path)},
            "etcd": {"ca": _pair(authority["etcd"], path)},
        },
    }
    return {
        f"{BASE}/02-secrets.yaml": write_yaml(everyone),
        f"{BASE}/{CONTROL_PLANE}/02-keys.yaml": write_yaml(control_plane),
    }


def bundle_of_configuration(content: bytes) -> bytes | None:
    """Return the secrets bundle in a control plane's configuration, as both tools write it; None if there is none."""
    try:
        values = [core_value(root) for root in read_yaml(content)]
    except YamlError:
        return None
    root = next((one for one in values if isinstance(one, dict) and "machine" in one), {})
    machine, cluster = (_mapping(root.get(key)) for key in ("machine", "cluster"))
    if machine.get("type") != "controlplane":
        return None
    return write_yaml(
        {
            "cluster": {"id": cluster.get("id"), "secret": cluster.get("secret")},
            "secrets": {"bootstraptoken": cluster.get("token")}
            | {key.lower(): cluster[key] for key in _ENCRYPTION_SECRETS if cluster.get(key)},
            "trustdinfo": {"token": machine.get("token")},
            "certs": {
                "etcd": _mapping(cluster.get("etcd")).get("ca"),
                "k8s": cluster.get("ca"),
                "k8saggregator": cluster.get("aggregatorCA"),
                "k8sserviceaccount": cluster.get("serviceAccount"),
                "os": machine.get("ca"),
            },
        }
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _section(parent: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    found = parent.get(key)
    if not isinstance(found, dict):
        raise ImportRefused(f"{path}: {key} is missing: it is not a complete secrets bundle of talosctl")
    return found


def _value(parent: Mapping[str, Any], key: str, path: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str) or not found:
        raise ImportRefused(f"{path}: {key} is missing: it is not a complete secrets bundle of talosctl")
    return found


def _pair(authority: Mapping[str, Any], path: str) -> Json:
    return {"crt": _value(authority, "crt", path), "key": _value(authority, "key", path)}
