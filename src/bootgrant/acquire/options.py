"""What the operator decides beside the kernel command line; each field is a flag of ``bootgrant acquire``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bootgrant.acquire.expect import Expect
from bootgrant.wire import limits


class TokenChoice(StrEnum):
    """Which of the provider's tokens goes into the download's Authorization header."""

    ACCESS = "access"
    ID = "id"


class ClientAuthChoice(StrEnum):
    """How the client secret is sent. AUTO asks the provider's metadata, then tries the body, then Basic."""

    AUTO = "auto"
    BODY = "body"
    BASIC = "basic"


class PkceChoice(StrEnum):
    """Whether to use PKCE (RFC 7636). AUTO: when the provider's metadata names S256."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class OnDenial(StrEnum):
    """What a denial leads to: a pause and a new code, or the end."""

    RETRY = "retry"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds, sizes in bytes. ``given`` are variables by name, which win over what the machine says.

    ``environ`` is where proxies are named (``os.environ``); ``root`` is what ``/sys``, ``/proc``, ``/etc`` are below.
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
