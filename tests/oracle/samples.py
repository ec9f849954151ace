"""Values of the types of Talos's configuration, good ones and such as people get wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from oracle.writing import Plain

_ADDRESSES: Final = ["10.0.0.1", "10.0.0.2", "2001:DB8::1", "fe80::1%eth0", "0.0.0.0", "::ffff:10.0.0.1"]
_PREFIXES: Final = ["10.0.0.0/8", "10.0.0.1/24", "2001:db8::/32", "0.0.0.0/0", "fd00::1/64"]
_SIZES: Final = ["10GiB", "10GB", "1.5 TiB", "100MB", Plain("1000000"), "1,000", "10 gb", "1000 KiB", "999B"]
_TEXTS: Final[Sequence[Any]] = [
    "a", "b", "eth0", "10.0.0.0/8", "https://example.org/a", "", "yes", "on", "null", "12:30", "0x1f", "1.50", "é✓", "a: b",
    "x y ", "#c", "two\nlines\n", "a\n b", "'q'", Plain("yes"), Plain("1.50"), Plain("010"), Plain("true"), Plain("1e3"),
    Plain("a b"), Plain("eth1"), "192.168.1.1", "ghcr.io/siderolabs/kubelet:v1.34.1", "key=value", "~", "\ttab",
]  # fmt: skip
_INTEGERS: Final[Sequence[Any]] = [
    0, 1, 2, 8, 42, 100, 1500, 6443, 7447, 65535, Plain("0x10"), Plain("0o17"), Plain("1_000"), Plain("7447.0"),
]  # fmt: skip
_URLS: Final[Sequence[Any]] = [
    "https://example.org", "https://example.org:6443/a?q=1#f", "HTTP://Example.ORG/ä", "https://u:p@h.example/", "tcp://10.0.0.1:5",
    "udp://[fd00::1]:514/", "https://other.example/b",
]  # fmt: skip
_BASE64: Final = ["YQ==", "Yg==", "", "LS0tLS1CRUdJTi0tLS0tCg=="]
_FREE: Final[Sequence[Any]] = [
    {}, {"a": 1}, {"a": "x", "b": {"c": [1, "2", True]}}, {"list": [{"x": 1.5}], "t": True}, {"a": 2, "z": {"k": "v"}},
    {"kind": "Policy", "rules": [{"level": "None"}]}, {"cpu": "100m", "memory": Plain("5")}, {"off": Plain("off"), "n": 0},
]  # fmt: skip
_ODD: Final[Sequence[Any]] = [
    None, "", 0, [], {}, "x", -1, Plain("~"), ["a"], {"a": "b"}, Plain("2024-01-02"), Plain("1.5"), False, "nope", [None], 70000,
    "10.0.0.1:6443", "YQ", "52-54-00-AB-CD-EF", "5254.0000.0001", "010.0.0.1", "1h30", "50.5%", "-1GiB",
]  # fmt: skip

BY_TYPE: Final[Mapping[str, Sequence[Any]]] = {
    "string": _TEXTS,
    "bool": [True, False, Plain("yes"), Plain("off"), Plain("True")],
    **dict.fromkeys(("int", "int64", "int32", "uint", "uint64", "uint32", "uint16", "uint8"), _INTEGERS),
    "time.Duration": ["1h", "90s", "1m30s", "0s", "36h", "1.5h", "100ms"],
    **dict.fromkeys(("netip.Addr", "meta.Addr", "network.Addr"), _ADDRESSES),
    **dict.fromkeys(("netip.Prefix", "meta.Prefix", "network.Prefix"), _PREFIXES),
    **dict.fromkeys(("netip.AddrPort", "meta.AddrPort", "network.AddrPort"), ["10.0.0.1:80", "[fd00::1]:53", "1.2.3.4:0"]),
    **dict.fromkeys(("meta.URL", "v1alpha1.Endpoint"), _URLS),
    **dict.fromkeys(("meta.ArgValue", "v1alpha1.ArgValue"), [*_TEXTS, ["a"], ["a", "b"], [], None, ""]),
    **dict.fromkeys(("meta.Unstructured", "v1alpha1.Unstructured"), _FREE),
    **dict.fromkeys(("v1alpha1.Base64Bytes",), _BASE64),
    "[]uint8": _BASE64,
    "nethelpers.HardwareAddr": ["52:54:00:00:00:01", "52:54:00:AB:cd:EF"],
    "block.ByteSize": _SIZES,
    "block.Size": [*_SIZES, "50%", "100%", "12.5%"],
    "v1alpha1.DiskSize": [*_SIZES, Plain("0"), "1100 MB", "82855000", Plain("10737418240")],
    "v1alpha1.InstallDiskSizeMatcher": ["4GB", "> 1TB", "<= 2TB", ">=100GiB"],
    **dict.fromkeys(("v1alpha1.FileMode", "runtime.EtcFileMode"), [Plain("0o644"), Plain("0644"), 420, Plain("0o0")]),
    "network.PortRange": [80, "80-90", "90-80", Plain("443"), "1-65535"],
    "cel.Expression": ["disk.size > 10u * GB", "true", "disk.transport == 'nvme'", "volume.name == 'x'", "!system_disk"],
    "v1alpha1.InstallDiskType": ["nvme", "ssd", "HDD", "x"],
    "config.ContainerNetworkMode": ["host", "x"],
    "config.ContainerSecurityProfile": ["default", "x"],
}
"""By the name of the type in Go. Most values are good."""
NAMES: Final = ["a", "b", "eth0", "10.0.0.1", "STATE", "EPHEMERAL", "data", "docker.io", "my.registry.example"]
"""Names of documents, and keys of maps."""


def scalar(type_name: str, described: Mapping[str, Any] | None, choose: random.Random) -> Any:
    """Return a value of a type without fields. An enumeration is sometimes written in capitals."""
    if described is not None and described.get("enum"):
        text = choose.choice(list(described["enum"].values()))
        return text.upper() if choose.random() < 0.1 else text
    return choose.choice(BY_TYPE.get(type_name) or _TEXTS)


def odd(choose: random.Random) -> Any:
    """Return a value that hardly fits anywhere."""
    return choose.choice(_ODD)
