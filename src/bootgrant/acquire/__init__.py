"""The machine's half: kernel command line, device flow (RFC 8628), download, delivery to a file or a command.

It runs in an initramfs, and as a library (examples: docs/acquire.md):

    from bootgrant.acquire import Options, acquire
    found = acquire("talos.config=https://boot.example/config talos.config.oauth.client_id=talos …", Options())

``acquire`` blocks until it has the configuration, or raises an ``AcquireError``; ``DeviceFlow`` is the conversation
without I/O, for any other loop. Each name is loaded at its first use; ``__init__.pyi`` declares them for type checkers.
"""

from __future__ import annotations

import importlib
from typing import Final

_FROM: Final = {
    "acquisition": ("Configuration", "acquire"),
    "console": ("Console", "Prompt", "choose_console"),
    "flow.device_flow": ("DeviceFlow", "OutOfStepError", "Rules"),
    "errors": (
        "AcquireError", "BadConfig", "BadParameter", "Denied", "DownloadFailed", "ExitStatus", "MissingVariable",
        "NoConfigSource", "OutputFailed", "ProviderFailed", "TimedOut", "TlsFailed", "Unreachable",
    ),
    "flow.values": (
        "NEVER", "Action", "Broken", "ClientAuth", "CodesArrived", "Event", "Failed", "Finished", "Hopeless",
        "PollToken", "Refused", "RequestCodes", "ShowCode", "Shown", "TokenArrived", "Wait", "Waited", "WhyCodes",
        "WhyWait",
    ),
    "options": ("ClientAuthChoice", "Expect", "OnDenial", "Options", "PkceChoice", "TokenChoice"),
}  # fmt: skip
_MODULES: Final = {name: module for module, names in _FROM.items() for name in names}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
