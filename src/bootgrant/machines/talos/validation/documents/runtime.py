"""The running system: environment, files in /etc, kernel settings, logs, extensions, memory, watchdog, installation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.expressions import expression
from bootgrant.machines.talos.validation.documents.rules import (
    SECOND,
    Rule,
    Section,
    check,
    each,
    first,
    inside,
    no_path,
    not_negative,
    required,
    scheme,
    zero_or_at_least,
)
from bootgrant.machines.talos.validation.report import Check

_SHORTEST_WATCHDOG: Final = 10 * SECOND
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MANAGED_FILES: Final = frozenset(
    ("resolv.conf", "hosts", "machine-id", "extensions.yaml", "localtime", "os-release", "xattr.conf")
)
_MANAGED_FOLDERS: Final = (
    "apparmor.d", "apparmor", "ca-certificates", "cni", "cri", "iscsi", "kubernetes", "lvm", "nvme", "pki", "selinux",
    "ssl",
)  # fmt: skip


def _variables(section: Section) -> None:
    for name in section.keys("variables"):
        if not _VARIABLE.fullmatch(name):
            section.refuse("variables", f"has the name {name!r}: write letters, digits and _, not a digit first")


def _etc_name(section: Section) -> None:
    name = section.text("name")
    if not _is_local(name) or name.startswith("."):
        section.refuse("name", "must be a path inside /etc that does not begin with / or a dot")
    elif name in _MANAGED_FILES or any(name == path or name.startswith(f"{path}/") for path in _MANAGED_FOLDERS):
        section.refuse("name", "is a file that Talos manages: use another path")


def _is_local(path: str) -> bool:
    """``filepath.IsLocal``: a relative path that does not leave its folder."""
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return bool(path) and not path.startswith("/")


def is_host_port(text: str) -> bool:
    """``net.SplitHostPort``: ``host:port`` or ``[host]:port``; both may be any text, or empty."""
    colon = text.rfind(":")
    if text.startswith("["):
        end = text.find("]")
        return 0 < end == colon - 1 and "[" not in text[1:] and "]" not in text[end + 1 :]
    return colon >= 0 and not set(text[:colon]) & set(":") and not set(text) & set("[]")


def _sink(section: Section) -> None:
    if not is_host_port(section.text("endpoint")):
        section.refuse("endpoint", "must be host:port, or [address]:port for IPv6")


def _port(name: str) -> Rule:
    def run(section: Section) -> None:
        url = section.url(name)
        if url is not None and not url.port():
            section.refuse(name, "must be a URL with a port")

    return run


def _no_empty_key(section: Section) -> None:
    if "" in section.keys("params"):
        section.refuse("params", "must not have an empty key")


def _some_content(section: Section) -> None:
    if not section.items("configFiles") and not section.items("environment"):
        section.refuse("", "must have configFiles or environment")


def _installer(section: Section) -> None:
    if not section.inner("installer").text("image"):
        section.warn("installer.image", "is not set: only a machine booted from an asset of Image Factory installs")


CHECKS: Final[Mapping[str, Check]] = {
    "EnvironmentConfig": check(_variables),
    "EtcFileConfig": check(first(required("name"), _etc_name)),
    "EventSinkConfig": check(_sink),
    "KmsgLogConfig": check(first(required("name", "url"), scheme("url", "tcp", "udp"), no_path("url"), _port("url"))),
    "KernelModuleConfig": check(required("name")),
    "OOMConfig": check(
        expression("triggerExpression", "oom"),
        expression("cgroupRankingExpression", "cgroup", "double"),
        not_negative("sampleInterval"),
    ),
    "SysctlConfig": check(_no_empty_key),
    "SysfsConfig": check(_no_empty_key),
    "UnattendedInstallConfig": check(
        inside("provisioning", inside("diskSelector", expression("match", "disk", is_needed=True))), _installer
    ),
    "WatchdogTimerConfig": check(first(required("device"), zero_or_at_least("timeout", _SHORTEST_WATCHDOG))),
    "ExtensionServiceConfig": check(
        first(required("name"), _some_content, each("configFiles", required("content", "mountPath")))
    ),
}
