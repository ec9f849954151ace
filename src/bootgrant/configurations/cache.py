"""The cache of finished configurations: most machines of a snapshot are answered without composing again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from bootgrant.ports.configurations import Rendered
from bootgrant.wire.identity import MachineIdentity

_CAPACITY: Final = 64 << 20


class RenderedCache:
    """The finished configurations of one snapshot, up to ``capacity`` bytes; the oldest are dropped first."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._cached: OrderedDict[tuple[str, MachineIdentity | None], Rendered] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, name: str, identity: MachineIdentity) -> Rendered | None:
        return self._cached.get((name, None)) or self._cached.get((name, identity))

    def put(self, name: str, identity: MachineIdentity | None, rendered: Rendered) -> None:
        """Store a configuration; ``identity`` is None if every machine of the entry gets the same one."""
        with self._lock:
            before = self._cached.pop((name, identity), None)
            self._size -= len(before.config) if before else 0
            self._cached[name, identity] = rendered
            self._size += len(rendered.config)
            while self._size > self._capacity and len(self._cached) > 1:
                _, dropped = self._cached.popitem(last=False)
                self._size -= len(dropped.config)
