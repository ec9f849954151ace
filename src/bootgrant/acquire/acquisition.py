"""One boot from the kernel command line to the bytes of the configuration, in the order in which Talos does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from bootgrant.acquire.clock import Clock, SystemClock
from bootgrant.acquire.console import Console
from bootgrant.acquire.endpoint import EndpointError, parse_endpoint, without_password
from bootgrant.acquire.errors import NoConfigSource
from bootgrant.acquire.expect import check_config
from bootgrant.acquire.facts import MachineFacts
from bootgrant.acquire.go_text import quote, quote_list
from bootgrant.acquire.kernel_cmdline import KernelCmdline
from bootgrant.acquire.options import Options
from bootgrant.acquire.settings import (
    DEVICE_AUTH_URL,
    EARLY,
    INLINE,
    TOKEN_URL,
    ConfigKind,
    OAuthSettings,
    Settings,
    read_settings,
)
from bootgrant.acquire.sources import decode_inline, read_file_url, read_metal_iso, source_error
from bootgrant.acquire.unpacking import unpack_gzip
from bootgrant.acquire.url_template import populate, wanted_variables
from bootgrant.acquire.variables import Variables

if TYPE_CHECKING:
    from bootgrant.acquire.authorization import Authorizer
    from bootgrant.acquire.transport import Transport

MAX_REFUSED_TOKENS: Final = 3
"""Fresh tokens that the configuration server may refuse in a row before more approvals are asked for in vain."""
_CONTROLLER: Final = '"component": "controller-runtime", "controller": "config.AcquireController"'


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a machine was given: the bytes, and where they came from (a URL without secrets, a device, a parameter)."""

    content: bytes
    source: str


class Acquisition:
    """One machine that asks. Nothing happens before ``run``."""

    def __init__(self, cmdline: KernelCmdline, options: Options, console: Console, clock: Clock | None = None) -> None:
        self._cmdline = cmdline
        self._options = options
        self._console = console
        self._clock = clock or SystemClock()
        self._ends_at = 0.0

    def run(self) -> Configuration:
        """Get the configuration. Raises AcquireError; the message for each step goes to the console."""
        self._ends_at = self._clock.steady() + self._options.timeout
        self._console.info(f'downloading config {{{_CONTROLLER}, "platform": "metal"}}')
        settings = read_settings(self._cmdline)
        if (unfit := source_error(settings)) is not None:
            raise unfit
        found = self._from(settings)
        self._console.info(f'machine config loaded successfully {{{_CONTROLLER}, "sources": ["metal"]}}')
        return found

    def _from(self, settings: Settings) -> Configuration:
        limit = self._options.max_size
        match settings.kind:
            case ConfigKind.HTTP:
                return self._over_http(settings)
            case ConfigKind.FILE:
                return Configuration(self._checked(read_file_url(settings.config_url, limit)), settings.config_url)
            case ConfigKind.METAL_ISO:
                content, device = read_metal_iso(self._options.root, self._ends_at, limit)
                return Configuration(self._checked(content), device)
            case ConfigKind.NONE:
                return self._from_parameters(settings)
            case ConfigKind.TFTP | ConfigKind.UNSUPPORTED:
                raise NoConfigSource("talos.config names no source", "name one there")
            case _:
                assert_never(settings.kind)

    def _from_parameters(self, settings: Settings) -> Configuration:
        """What stands on the command line itself; early documents come before the inline ones, as Talos loads them."""
        given = [(EARLY, settings.early), (INLINE, settings.inline)]
        parts = [decode_inline(encoded, name, self._options.max_size) for name, encoded in given if encoded is not None]
        names = " and ".join(name for name, encoded in given if encoded is not None)
        return Configuration(self._checked(b"\n---\n".join(parts)), names)

    def _checked(self, content: bytes) -> bytes:
        """``content`` as it will be delivered: a gzip file unpacked, and of the kind that is expected."""
        config = unpack_gzip(content, self._options.max_size)
        check_config(config, self._options.expect)
        return config

    def _over_http(self, settings: Settings) -> Configuration:
        from bootgrant.acquire.transport import Transport

        options = self._options
        facts = MachineFacts(options.root, self._cmdline, options.given, options.code_file)
        wanted = wanted_variables(settings.config_url)
        self._console.info("waiting for network to be ready")
        facts.wait_for_network(self._ends_at, _hosts(settings, options.issuer))
        variables = Variables(facts, options.root, self._console, self._clock, options.attempt_timeout / 2)
        transport = Transport(ca=options.ca, environ=options.environ)
        oauth = settings.oauth
        authorizer = None if oauth is None else self._authorizer(oauth, variables, transport)
        values = variables.for_url(wanted)
        shown = without_password(populate(settings.config_url, _without_code(values)))
        content = self._fetch(populate(settings.config_url, values), shown, authorizer, transport)
        return Configuration(content, shown)

    def _authorizer(self, oauth: OAuthSettings, variables: Variables, transport: Transport) -> Authorizer:
        from bootgrant.acquire.authorization import Authorizer, with_metadata

        metadata = None
        if self._options.issuer:
            from bootgrant.acquire.discovery import discover

            metadata = discover(self._options.issuer, transport, self._console, self._clock, self._ends_at)
            oauth = with_metadata(
                oauth,
                metadata,
                device_given=self._cmdline.first(DEVICE_AUTH_URL) is not None,
                token_given=self._cmdline.first(TOKEN_URL) is not None,
            )
        self._announce(oauth)
        values = variables.for_request(oauth.extra_variables)
        return Authorizer(
            oauth, values, self._options, metadata, transport=transport, console=self._console, clock=self._clock
        )

    def _announce(self, oauth: OAuthSettings) -> None:
        say = self._console.info
        say("[OAuth] starting the authentication device flow with the following settings:")
        say(f"[OAuth]  - client ID: {quote(oauth.client_id)}")
        say(f"[OAuth]  - device auth URL: {quote(without_password(oauth.device_auth_url))}")
        say(f"[OAuth]  - token URL: {quote(without_password(oauth.token_url))}")
        say(f"[OAuth]  - extra variables: {quote_list(oauth.extra_variables)}")

    def _fetch(self, url: str, shown: str, authorizer: Authorizer | None, transport: Transport) -> bytes:
        """Download, and where the server refuses the token, authorize anew."""
        from bootgrant.acquire.download import Download, TokenRefused, fetch

        options = self._options
        refusals = 0
        while True:
            header = None if authorizer is None else authorizer.header(self._ends_at)
            self._console.info(f"fetching machine config from: {quote(shown)}")
            download = Download(url, header, self._ends_at, options.attempt_timeout, options.max_size)
            outcome = fetch(download, transport, self._console, self._clock, self._checked)
            if not isinstance(outcome, TokenRefused):
                return outcome
            refusals += 1
            if refusals == MAX_REFUSED_TOKENS:
                raise outcome.error
            self._console.warning(f"{outcome.error.what}: asking for a new authorization")


def _without_code(values: Mapping[str, str]) -> dict[str, str]:
    """The variables as they may be shown: ``code`` is a secret that a person gave to this machine."""
    return {name: "xxxxx" if name == "code" and value else value for name, value in values.items()}


def _hosts(settings: Settings, issuer: str) -> list[str]:
    """The hosts that will be talked to, as far as the URLs can be read; what cannot is reported by who needs it."""
    urls = [settings.config_url]
    if settings.oauth is not None:
        urls += [issuer] if issuer else [settings.oauth.device_auth_url, settings.oauth.token_url]
    hosts = []
    for url in urls:
        try:
            hosts.append(parse_endpoint(url).host)
        except EndpointError:
            continue
    return hosts
