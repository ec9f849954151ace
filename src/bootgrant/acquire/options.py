"""What the operator decides apart from the kernel command line; each field is a flag of ``bootgrant acquire``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bootgrant.wire import limits


class Expect(StrEnum):
    """The kind of configuration to accept."""

    ANY = "any"
    TALOS = "talos"
    YAML = "yaml"
    JSON = "json"
    CLOUD_CONFIG = "cloud-config"
    IGNITION = "ignition"
    USER_DATA = "user-data"


class TokenChoice(StrEnum):
    """The provider's token to send in the download's Authorization header."""

    ACCESS = "access"
    ID = "id"


class ClientAuthChoice(StrEnum):
    """How to send the client secret. AUTO follows the provider's metadata; without any, it tries body, then Basic."""

    AUTO = "auto"
    BODY = "body"
    BASIC = "basic"


class PkceChoice(StrEnum):
    """Whether to use PKCE (RFC 7636). AUTO uses it if the provider's metadata names S256."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class OnDenial(StrEnum):
    """After a denial: pause and show a new code, or exit."""

    RETRY = "retry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Options:
    """Times are in seconds, sizes in bytes. ``given`` are variables by name that override those of the machine.

    ``environ`` names the proxies (``os.environ``); ``/sys``, ``/proc`` and ``/etc`` are read below ``root``.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    code_file: Path | None = None
    root: Path = Path("/")
    timeout: float = 3 * 3600.0
    attempt_timeout: float = 180.0
    retry_pause: float = 30.0
    max_size: int = limits.CONFIG
    token: TokenChoice = TokenChoice.ACCESS
    issuer: str = ""
    client_auth: ClientAuthChoice = ClientAuthChoice.AUTO
    pkce: PkceChoice = PkceChoice.AUTO
    on_denial: OnDenial = OnDenial.RETRY
    ca: Path | None = None
    expect: Expect = Expect.ANY
    environ: Mapping[str, str] = field(default_factory=dict)
