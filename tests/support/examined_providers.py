"""A site whose identity providers are examined, as `bootgrant doctor --config` does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bootgrant.service.parts.probes import examine_providers
from bootgrant.service.settings.site import load_site

ROLES = '[[oidc.roles]]\ngroup = "boot-admins"\nrole = "admin"\n'
RULES = '[[providers.rules]]\nclaims = {sub = "*"}\nselect = ["*"]\n'
Shown = dict[str, tuple[str, str]]


def examined(folder: Path, lines: str, public_url: str = "https://boot.example") -> Shown:
    """Return the level and the message of each remark about the providers in ``lines``, by its code."""
    config = folder / "bootgrant.toml"
    config.write_text(f'public_url = "{public_url}"\n{lines}', "utf-8")
    found = asyncio.run(examine_providers(load_site(config, {})))
    return {each.code: (each.grade.value, each.message) for one in found for each in one.remarks}


def sign_in(folder: Path, issuer: str, secret: str, scopes: str = '"openid", "profile"', client: str = "pages") -> str:
    """Return the lines for a provider at which people sign in."""
    (folder / "secret").write_text(secret, "utf-8")
    return (
        f'[[oidc]]\nid = "corp"\nissuer = "{issuer}"\nclient_id = "{client}"\nclient_secret_file = "secret"\n'
        f"scopes = [{scopes}]\n{ROLES}"
    )


def bad(shown: Shown) -> dict[str, str]:
    """The warnings and errors by their codes."""
    return {code: level for code, (level, _) in shown.items() if level in ("warning", "error")}
