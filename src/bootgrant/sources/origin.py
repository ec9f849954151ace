"""What a source asks of the place that its configurations come from."""

from __future__ import annotations

from typing import Protocol

from bootgrant.sources.tree import Tree


class Origin(Protocol):
    """Where trees come from: a folder, or a git repository. Most methods may take long, and raise SiteBroken."""

    def is_layered(self) -> bool:
        """Whether there is a ``machines.yaml`` or anything else that makes it more than a folder of finished files."""

    def changed(self) -> bool:
        """Whether ``tree`` would now be another one than the last time that it was tried."""

    def look_now(self) -> None:
        """The next look does not spare itself a fetch."""

    def tree(self) -> Tree: ...

    def taken(self, revision: str) -> None:
        """This state is served now."""

    def last_good(self) -> Tree | None:
        """What was served before a restart, where that is kept."""
