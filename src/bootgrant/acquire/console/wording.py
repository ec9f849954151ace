"""The lines around a prompt, word for word as Talos prints them (platform/metal/oauth2/oauth2.go, DeviceAuthFlow)."""

from __future__ import annotations

from bootgrant.acquire.console import Prompt
from bootgrant.acquire.console.escaping import escape, shorten

PREFIX = "[talos] "
SCAN = "[OAuth] or scan the following QR code:"


def visit(prompt: Prompt) -> str:
    """Where to go and what to type; the provider's two texts are escaped and kept short."""
    address, code = escape(shorten(prompt.verification_uri)), escape(shorten(prompt.user_code))
    return f"[OAuth] please visit the URL {address} and enter the code {code}"


def waiting(prompt: Prompt, *, compat: bool = False) -> str:
    """When the code ends, in UTC; Talos prints midnight for a code without an end."""
    if prompt.expires_at is None:
        return f"[OAuth] waiting for the device to be authorized{' (expires at 00:00:00)' if compat else ''}..."
    return f"[OAuth] waiting for the device to be authorized (expires at {clock_time(prompt.expires_at)})..."


def clock_time(unix_time: float) -> str:
    """``15:04:05`` in UTC. Plain arithmetic: a provider may name a year that no calendar here knows."""
    seconds = int(unix_time) % 86400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
