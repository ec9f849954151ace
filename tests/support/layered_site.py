"""A machines folder with layers, as a site keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.grants import MAC, UUID

MODEL = f"""\
defaults:
  layers: [all, "{{role}}", "node/{{name}}"]
entries:
  - name: cp-1
    match: {{uuid: {UUID}}}
    labels: {{role: control-plane, site: fra}}
    networks: [10.20.0.0/24]
  - name: spare-worker
    match: {{mac: "52:2f:*"}}
    labels: {{role: worker}}
"""
BASE = "version: v1alpha1\nmachine:\n  type: worker\n  token: s3cr3t-token\ncluster:\n  clusterName: demo\n"
FILES: Mapping[str, str] = {
    "machines.yaml": MODEL,
    "all/00-base.yaml": BASE,
    "control-plane/10-role.yaml": "machine:\n  type: controlplane\n",
    "worker/10-role.yaml": "# nothing yet\n",
    "node/cp-1/50-name.yaml.j2": "machine:\n  network:\n    hostname: {{ name }}\n",
}


def write(folder: Path, files: Mapping[str, str] = FILES, **changed: str | None) -> Path:
    """The folder with these files; ``changed`` by path, None leaves one out."""
    folder.mkdir(exist_ok=True)
    for path, text in {**files, **changed}.items():
        if text is not None:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return folder


__all__ = ["BASE", "FILES", "MAC", "MODEL", "UUID", "write"]
