"""The kernel parameters that a machine needs for a server, complete, so that it has to guess nothing.

Both endpoint URLs are always included: a machine that derives them from ``talos.config`` drops the path and keeps the
query, without filling in its variables (Talos ``platform/metal/oauth2/oauth2.go``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bootgrant.acquire.cmdline import settings as keys
from bootgrant.acquire.cmdline.findings import Finding, Subject
from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.cmdline.lint import find_all
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.loaders.urls import CannotWrite, machine_url
from bootgrant.wire.go_text import WHITE_SPACE
from bootgrant.wire.secret import Secret

PLATFORM: Final = ("talos.platform=metal", "slab_nomerge", "pti=on")
"""What Talos requires on bare metal. Images of the Image Factory include it."""
KERNEL_LIMIT: Final = 2048
"""The longest command line of the kernel on x86 and arm64, in bytes (COMMAND_LINE_SIZE)."""
CAREFUL_LIMIT: Final = 2000
"""The length from which there is a warning, in bytes: the boot loader adds words too."""

_IDENTIFYING: Final = ("uuid", "serial", "mac")
# White space separates parameters, and GRUB puts a backslash before quotes and backslashes (lib/cmdline.c).
_UNWRITABLE: Final = re.compile(f"[\x00-\x20\x7f\"'\\\\{WHITE_SPACE}]")


@dataclass(frozen=True, slots=True)
class BootParameters:
    """The content of a kernel command line. Empty texts are left out; ``early`` is the value of ``talos.config.early``.

    ``variables`` are what the machine reports about itself; ``others`` are complete parameters. ``for_talos``:
    they have to be all that Talos needs, and not a part that another Linux or an image completes.
    """

    config_url: str
    device_auth_url: str
    token_url: str
    client_id: str
    variables: tuple[str, ...]
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ()
    audience: str = ""
    early: str = ""
    others: tuple[str, ...] = ()
    for_talos: bool = True

    def words(self) -> tuple[str, ...]:
        """Return the parameters in order, with the secret in clear. Raises CannotWrite."""
        words = tuple(self._words())
        for word in words:
            if _UNWRITABLE.search(word):
                name = word.partition("=")[0]
                raise CannotWrite(
                    f"{name} has a space, a quote or a backslash in it, which is lost on a kernel command line: "
                    "percent-encode it in a URL (%20, %22, %27, %5C), or repeat the flag for several values"
                )
        machine_url(self.config_url, keys.CONFIG, is_config=True)
        for name, url in ((keys.DEVICE_AUTH_URL, self.device_auth_url), (keys.TOKEN_URL, self.token_url)):
            machine_url(url, name)
        return words

    def _words(self) -> Iterator[str]:
        yield from self.others
        yield f"{keys.CONFIG}={self.config_url}"
        if self.early:
            yield f"{keys.EARLY}={self.early}"
        yield f"{keys.CLIENT_ID}={self.client_id}"
        if self.client_secret is not None:
            yield f"{keys.CLIENT_SECRET}={self.client_secret.reveal()}"
        yield from (f"{keys.SCOPE}={scope}" for scope in self.scopes)
        if self.audience:
            yield f"{keys.AUDIENCE}={self.audience}"
        yield f"{keys.DEVICE_AUTH_URL}={self.device_auth_url}"
        yield f"{keys.TOKEN_URL}={self.token_url}"
        yield from (f"{keys.EXTRA_VARIABLE}={name}" for name in self.variables)

    def findings(self) -> tuple[Finding, ...]:
        """Return the problems that a machine would have with them, except for what is deliberate here."""
        cmdline = parse_cmdline(" ".join(self.words()))
        config_url = cmdline.first(keys.CONFIG) or ""
        oauth = keys.read_oauth(cmdline, self.config_url)
        return find_all(Subject(cmdline, config_url, oauth, (), frozenset(self.variables), None, self.for_talos))

    def secrets(self) -> tuple[str, ...]:
        """Return the names of the parameters that have a secret."""
        given = any(word.startswith(f"{keys.CLIENT_SECRET}=") for word in self.others)
        named = [keys.CLIENT_SECRET] if self.client_secret is not None or given else []
        return (*named, *(found.message for found in self.findings() if found.code == "secret-in-url"))


def endpoints(server: str) -> tuple[str, str]:
    """Return the device authorization and token endpoints of a bootgrant server. Raises CannotWrite."""
    base = _base(server)
    return f"{base}/device/code", f"{base}/token"


def config_url(server: str, variables: tuple[str, ...]) -> str:
    """Return the configuration URL of a bootgrant server. Its query names the machine, so that a mix-up is noticed."""
    name = next((name for name in _IDENTIFYING if name in variables), "")
    return f"{_base(server)}/config" + (f"?{name}=${{{name}}}" if name else "")


def _base(server: str) -> str:
    server = machine_url(server, "the server's URL")
    endpoint = parse_endpoint(server)
    if "?" in endpoint.target or "#" in server or endpoint.user is not None:
        raise CannotWrite("the server's URL must not have a user or a query: write https://boot.example.org")
    return server.rstrip("/")
