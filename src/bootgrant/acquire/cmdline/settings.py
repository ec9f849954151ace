"""What the kernel command line asks of this machine: ``talos.config`` and its relatives.

Source: Talos ``platform/metal/metal.go`` (which source), ``platform/metal/oauth2/oauth2.go`` (NewConfig) and
``controllers/config/acquire.go`` (inline and early configuration).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.errors import BadParameter, NoConfigSource
from bootgrant.wire.go_url import UrlError, parse_url
from bootgrant.wire.secret import Secret

CONFIG = "talos.config"
INLINE = "talos.config.inline"
EARLY = "talos.config.early"
OAUTH = "talos.config.oauth."
CLIENT_ID = OAUTH + "client_id"
CLIENT_SECRET = OAUTH + "client_secret"
SCOPE = OAUTH + "scope"
AUDIENCE = OAUTH + "audience"
DEVICE_AUTH_URL = OAUTH + "device_auth_url"
TOKEN_URL = OAUTH + "token_url"
EXTRA_VARIABLE = OAUTH + "extra_variable"
OAUTH_PARAMETERS = (CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE, DEVICE_AUTH_URL, TOKEN_URL, EXTRA_VARIABLE)


class ConfigKind(Enum):
    """Where ``talos.config`` points. NONE is a machine whose whole configuration is on its kernel command line."""

    HTTP = "http"
    FILE = "file"
    METAL_ISO = "metal-iso"
    TFTP = "tftp"
    UNSUPPORTED = "unsupported"
    NONE = "none"


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


@dataclass(frozen=True, slots=True)
class Settings:
    """What to fetch and how. ``config_url`` is ``talos.config`` as written; ``oauth`` is None for a plain download.

    ``inline`` and ``early`` are the values of their parameters joined, still encoded (see ``sources.decode_inline``),
    or None when the parameter is absent. Talos applies ``early`` before it asks anybody, and ``inline`` when
    ``talos.config`` brings nothing.
    """

    config_url: str
    oauth: OAuthSettings | None
    kind: ConfigKind
    inline: Secret | None = None
    early: Secret | None = None


def read_settings(cmdline: KernelCmdline) -> Settings:
    """Read the parameters of one boot.

    Raises NoConfigSource when neither ``talos.config`` nor an inline configuration is there, and BadParameter when a
    URL that the others are made from cannot be parsed (its ``what`` is Go's error text).
    """
    url = cmdline.first(CONFIG)
    inline, early = _joined(cmdline, INLINE), _joined(cmdline, EARLY)
    if url is None or url == "none":
        if inline is None and early is None:
            raise NoConfigSource(*_no_source(url))
        return Settings(url or "", None, ConfigKind.NONE, inline, early)
    kind = _kind_of(url)
    oauth = None if kind is ConfigKind.METAL_ISO else read_oauth(cmdline, url)
    return Settings(url, oauth, kind, inline, early)


def _no_source(url: str | None) -> tuple[str, str]:
    if url is None:
        return "the kernel command line has no talos.config", "add talos.config=<URL of the configuration>"
    return "talos.config=none asks for no configuration", "name a URL there, or leave this machine as it is"


def _joined(cmdline: KernelCmdline, key: str) -> Secret | None:
    values = cmdline.all(key)
    return Secret("".join(values)) if values else None


def _kind_of(url: str) -> ConfigKind:
    if url == "metal-iso":
        return ConfigKind.METAL_ISO
    try:
        scheme = parse_url(url).scheme
    except UrlError:
        return ConfigKind.UNSUPPORTED
    known = {"http": ConfigKind.HTTP, "https": ConfigKind.HTTP, "file": ConfigKind.FILE, "tftp": ConfigKind.TFTP}
    return known.get(scheme, ConfigKind.UNSUPPORTED)


def read_oauth(cmdline: KernelCmdline, config_url: str) -> OAuthSettings | None:
    """The ``talos.config.oauth.*`` parameters; None unless ``client_id`` is there (an empty one counts).

    An endpoint that is not given is ``config_url`` with its path replaced, query and all, as Talos makes it. Raises
    BadParameter, with Go's text, when that is needed and ``config_url`` is no URL.
    """
    client_id = cmdline.first(CLIENT_ID)
    if client_id is None:
        return None
    secret = cmdline.first(CLIENT_SECRET)
    return OAuthSettings(
        client_id=client_id,
        client_secret=Secret(secret) if secret else None,
        scopes=cmdline.all(SCOPE),
        audience=cmdline.first(AUDIENCE) or "",
        device_auth_url=_endpoint(cmdline, DEVICE_AUTH_URL, config_url, "/device/code"),
        token_url=_endpoint(cmdline, TOKEN_URL, config_url, "/token"),
        extra_variables=cmdline.all(EXTRA_VARIABLE),
    )


def _endpoint(cmdline: KernelCmdline, key: str, config_url: str, path: str) -> str:
    given = cmdline.first(key)
    if given is not None:
        return given
    try:
        return str(parse_url(config_url).with_path(path))
    except UrlError as error:
        raise BadParameter(str(error), f"correct talos.config, from which {key} is made, or give {key}") from error
