"""What the kernel command line asks of this machine: ``talos.config`` and ``talos.config.oauth.*``.

Source: Talos ``platform/metal/metal.go`` and ``platform/metal/oauth2/oauth2.go`` (NewConfig).
"""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The device flow that stands before the download. URLs are as written: not parsed, not templated."""

    client_id: str
    client_secret: Secret | None
    scopes: tuple[str, ...]
    audience: str
    device_auth_url: str
    token_url: str
    extra_variables: tuple[str, ...]
