"""What a command says on ``data/admin.sock`` beside what it asks for."""

from __future__ import annotations

from typing import Final

USER_HEADER: Final = "x-bootgrant-user"
"""The header with the Unix user who runs the command: said, not proven, and believed nowhere but there."""
