"""The differences that docs/composer.md and docs/talos-versions.md list, each with its reason."""

from __future__ import annotations

from typing import Final

from oracle.comparing import Allowed

_OLD: Final = ("1.11", "1.12")
ALLOWED: Final[list[Allowed]] = [
    Allowed("Talos writes a text that begins with a blank in a form that loses it", "value", talos=r"\|[2-9]"),
    Allowed(
        "deletes below free YAML", "Talos refuses",
        talos=r"'machine\.kubelet\.extraConfig\..*lookup failed", releases=_OLD,
    ),
    Allowed(
        "a hardware address as a list of bytes", "we refuse",
        ours=r"(hardwareAddr|duidRaw): expected a text, found a list",
    ),
    Allowed("an empty size is unset", "Talos refuses", talos='parsing "": invalid syntax', releases=_OLD),
    Allowed("an empty document before the patch", "value", given=r"(?m)^(null|~|---)$", releases=("1.11",)),
    Allowed("? as a text in flow style", "Talos refuses", "", "did not find expected", r"\?", ("1.11",)),
    Allowed("? as a text in flow style", "value", given=r"[\[{]\s*\?", releases=("1.11",)),
    Allowed("v1.14.0-alpha.2 refuses an empty patch", "Talos refuses", talos="^config not found$", releases=("1.14",)),
    Allowed("an earlier commit refuses more", "Talos refuses", releases=("before 1.14",)),
    Allowed("a rule that came after the earlier commit", "we refuse", releases=("before 1.14",)),
    # The judge asks what a client checks; until 1.13 only a running machine looks at these.
    Allowed(
        "Kubernetes versions that a machine refuses at boot", "we refuse",
        ours=r"image: (no Talos release can read|Talos \S+ takes Kubernetes)", releases=("1.11", "1.12", "1.13"),
    ),
]  # fmt: skip
