"""Finished configurations that are kept, so that the machines of one snapshot are answered without composing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from bootgrant.ports.configurations import Rendered
from bootgrant.sources.snapshot import Snapshot
from bootgrant.wire.identity import MachineIdentity

_CACHED: Final = 64 << 20
"""Bytes of finished configurations that are kept."""


class KeptConfigurations:
    """Finished configurations of one snapshot, the least used ones dropped first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, MachineIdentity | None], tuple[Snapshot, Rendered]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, snapshot: Snapshot, name: str, identity: MachineIdentity) -> Rendered | None:
        for key in ((name, None), (name, identity)):
            found = self._kept.get(key)
            if found is not None and found[0] is snapshot:
                return found[1]
        return None

    def put(self, snapshot: Snapshot, name: str, identity: MachineIdentity | None, rendered: Rendered) -> None:
        with self._lock:
            before = self._kept.pop((name, identity), None)
            self._size -= len(before[1].config) if before else 0
            self._kept[name, identity] = (snapshot, rendered)
            self._size += len(rendered.config)
            while self._size > _CACHED and len(self._kept) > 1:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._size -= len(dropped.config)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._size = 0
