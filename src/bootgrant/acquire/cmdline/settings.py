"""The parameters of the kernel command line: ``talos.config`` and its relatives.

Source: Talos ``platform/metal/metal.go`` (which source), ``platform/metal/oauth2/oauth2.go`` (NewConfig) and
``controllers/config/acquire.go`` (inline and early configuration).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.errors import BadParameter, NoConfigSource
from bootgrant.wire.go_text import quote, quote_list
from bootgrant.wire.go_url import UrlError, parse_url
from bootgrant.wire.secret import Secret

PLATFORM = "talos.platform"
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
    """Where ``talos.config`` points. NONE means that the whole configuration is on the kernel command line."""

    HTTP = "http"
    FILE = "file"
    METAL_ISO = "metal-iso"
    TFTP = "tftp"
    UNSUPPORTED = "unsupported"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The device flow that precedes the download. URLs are as written: not parsed, not templated."""

    client_id: str
    client_secret: Secret | None
    scopes: tuple[str, ...]
    audience: str
    device_auth_url: str
    token_url: str
    extra_variables: tuple[str, ...]

    def announcement(self, show_url: Callable[[str], str] = str) -> tuple[str, ...]:
        """The lines with which Talos starts the device flow; ``show_url`` prepares a URL for display."""
        return (
            "[OAuth] starting the authentication device flow with the following settings:",
            f"[OAuth]  - client ID: {quote(self.client_id)}",
            f"[OAuth]  - device auth URL: {quote(show_url(self.device_auth_url))}",
            f"[OAuth]  - token URL: {quote(show_url(self.token_url))}",
            f"[OAuth]  - extra variables: {quote_list(self.extra_variables)}",
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What to fetch and how. ``config_url`` is ``talos.config`` as written; ``oauth`` is None for a plain download.

    ``inline`` and ``early`` are the joined values of their parameters, still encoded (see ``inline.decode_inline``), or
    None if absent. Talos applies ``early`` before any request, and ``inline`` if there is no ``talos.config``.
    """

    config_url: str
    oauth: OAuthSettings | None
    kind: ConfigKind
    inline: Secret | None = None
    early: Secret | None = None


def read_settings(cmdline: KernelCmdline) -> Settings:
    """Read the parameters of one boot.

    Raises NoConfigSource without ``talos.config`` and without an inline configuration, and BadParameter if the URL from
    which others are derived cannot be parsed (its ``what`` is Go's error text).
    """
    url = cmdline.first(CONFIG)
    inline, early = _joined(cmdline, INLINE), _joined(cmdline, EARLY)
    if url is None or url == "none":
        if inline is None and early is None:
            if url is None:
                what = "the kernel command line has no talos.config"
                raise NoConfigSource(what, "add talos.config=<URL of the configuration>")
            what = "talos.config=none means that there is no configuration to fetch"
            raise NoConfigSource(what, "set it to a URL if there should be one")
        return Settings(url or "", None, ConfigKind.NONE, inline, early)
    kind = _kind_of(url)
    oauth = None if kind is ConfigKind.METAL_ISO else read_oauth(cmdline, url)
    return Settings(url, oauth, kind, inline, early)


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


def source_error(settings: Settings) -> BadParameter | None:
    """Why ``talos.config`` can never be fetched, or None if it can."""
    match settings.kind:
        case ConfigKind.HTTP | ConfigKind.FILE | ConfigKind.METAL_ISO | ConfigKind.NONE:
            return None
        case ConfigKind.TFTP:
            # There is no well-maintained library for it in pure Python, and no way to protect what it carries.
            what = f"talos.config={settings.config_url}: tftp is not supported"
            return BadParameter(what, "serve the configuration over https or http, or put it on a medium")
        case ConfigKind.UNSUPPORTED:
            return _unsupported(settings.config_url)
        case _:
            assert_never(settings.kind)


def _unsupported(url: str) -> BadParameter:
    next_step = "write talos.config=https://host/path, file:///path or metal-iso"
    try:
        scheme = parse_url(url).scheme
    except UrlError as error:
        return BadParameter(f"talos.config is not a URL: {error}", next_step)
    return BadParameter(f"talos.config={quote(url)}: unsupported protocol scheme {quote(scheme)}", next_step)


def read_oauth(cmdline: KernelCmdline, config_url: str) -> OAuthSettings | None:
    """Read the ``talos.config.oauth.*`` parameters; None without ``client_id`` (an empty one counts).

    The default of an endpoint is ``config_url`` with another path and the same query, as in Talos. Raises BadParameter,
    with Go's text, if a default is needed and ``config_url`` cannot be parsed.
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
        raise BadParameter(str(error), f"correct talos.config, from which {key} is derived, or set {key}") from error
