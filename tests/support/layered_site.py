"""A machines folder with layers, as a site keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.grants import UUID

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
    layers: [all, worker]
"""
BASE = "version: v1alpha1\nmachine:\n  type: worker\n  token: s3cr3t-token\ncluster:\n  clusterName: demo\n"
FILES: Mapping[str, str] = {
    "machines.yaml": MODEL,
    "all/00-base.yaml": BASE,
    "control-plane/10-role.yaml": "machine:\n  type: controlplane\n",
    "worker/10-role.yaml": "# nothing yet\n",
    "node/cp-1/50-name.yaml.j2": "machine:\n  network:\n    hostname: {{ name }}\n",
}


def write_machines(folder: Path, changed: Mapping[str, str | None] | None = None) -> Path:
    """The folder with FILES; ``changed`` by path, None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in {**FILES, **(changed or {})}.items():
        if text is not None:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return folder
