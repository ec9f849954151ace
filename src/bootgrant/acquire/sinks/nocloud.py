"""A seed for cloud-init's NoCloud data source: ``user-data`` is the configuration, ``meta-data`` names the instance.

cloud-init takes a seed only when both files are there (DataSourceNoCloud, ``required=["user-data", "meta-data"]``), so
``meta-data`` is removed first and written last: what cloud-init sees is an old seed, none, or the new one.
"""

from __future__ import annotations

from pathlib import Path

from bootgrant.acquire.sinks.atomic import complete_file, remove_file, replace_file, require_writable


class NoCloudSink:
    """``directory`` is a seed. Other files in it (``network-config``, ``vendor-data``) are left alone."""

    def __init__(self, directory: Path, *, instance_id: str, hostname: str) -> None:
        self._user_data = directory / "user-data"
        self._meta_data = directory / "meta-data"
        self._directory = directory
        self._instance_id = instance_id
        self._hostname = hostname

    def already_there(self) -> str | None:
        if complete_file(self._meta_data) and complete_file(self._user_data):
            return str(self._directory)
        require_writable(self._user_data)
        return None

    def write(self, config: bytes) -> str:
        remove_file(self._meta_data)
        replace_file(self._user_data, config)
        replace_file(self._meta_data, self._meta(config))
        return str(self._directory)

    def _meta(self, config: bytes) -> bytes:
        """cloud-init runs its once-per-instance steps again when the instance-id changes."""
        import json  # a JSON string is a YAML string, whatever is in it

        lines = [f"instance-id: {json.dumps(self._instance_id or _made_from(config))}"]
        if self._hostname:
            lines.append(f"local-hostname: {json.dumps(self._hostname)}")
        return ("\n".join(lines) + "\n").encode()


def _made_from(config: bytes) -> str:
    import hashlib

    return f"bootgrant-{hashlib.sha256(config).hexdigest()[:32]}"
