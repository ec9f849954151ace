"""The header that a command adds to its requests on ``data/admin.sock``."""

from __future__ import annotations

from typing import Final

USER_HEADER: Final = "x-bootgrant-user"
"""The Unix user who runs the command: a claim without proof, accepted on that socket only."""
