"""One boot, from the kernel command line to the bytes of the configuration, in the order of Talos."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bootgrant.acquire.clock import Clock, SystemClock
from bootgrant.acquire.cmdline import settings as param
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline, parse_cmdline
from bootgrant.acquire.cmdline.url_template import populate, wanted_variables
from bootgrant.acquire.console import Console, choose_console
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.facts import MachineFacts, check_names
from bootgrant.acquire.facts.network import wait_for_address
from bootgrant.acquire.facts.variables import Variables
from bootgrant.acquire.http.endpoint import endpoint_of, without_password
from bootgrant.acquire.options import Options
from bootgrant.wire.go_text import quote

if TYPE_CHECKING:
    from bootgrant.acquire.flow.authorization import Authorizer
    from bootgrant.acquire.http.transport import Transport

MAX_REFUSED_TOKENS: Final = 3
"""New tokens in a row that the configuration server may refuse; then more approvals would be in vain."""
_CONTROLLER: Final = '"component": "controller-runtime", "controller": "config.AcquireController"'


@dataclass(frozen=True, slots=True)
class Configuration:
    """A machine's configuration, and its source: a URL without secrets, a device or a parameter."""

    content: bytes
    source: str


def acquire(cmdline: str, options: Options | None = None, console: Console | None = None) -> Configuration:
    """Get the configuration that the kernel command line ``cmdline`` names; blocks until it is there.

    Messages and the code go to ``console``, by default as plain lines to standard error. Variables come from
    ``options.given`` and from this machine, proxies only from ``options.environ``. Raises AcquireError.
    """
    console = console or choose_console("plain", sys.stderr, qr="auto")
    return Acquisition(parse_cmdline(cmdline), options or Options(), console).run()


class Acquisition:
    """One boot of one machine; ``run`` does all of it."""

    def __init__(self, cmdline: KernelCmdline, options: Options, console: Console, clock: Clock | None = None) -> None:
        self._cmdline = cmdline
        self._options = options
        self._console = console
        self._clock = clock or SystemClock()
        self._ends_at = 0.0

    def run(self) -> Configuration:
        """Get the configuration, with a message for each step on the console. Raises AcquireError."""
        self._ends_at = self._clock.steady() + self._options.timeout
        self._console.info(f'downloading config {{{_CONTROLLER}, "platform": "metal"}}')
        settings = param.read_settings(self._cmdline)
        if settings.oauth is not None:
            check_names(settings.oauth.extra_variables)
        found = self._over_http(settings) if settings.kind is param.ConfigKind.HTTP else self._on_this_machine(settings)
        self._console.info(f'machine config loaded successfully {{{_CONTROLLER}, "sources": ["metal"]}}')
        return found

    def _on_this_machine(self, settings: param.Settings) -> Configuration:
        from bootgrant.acquire import disks
        from bootgrant.acquire.cmdline.inline import decode_inline

        if (error := param.source_error(settings)) is not None:
            raise error
        limit = self._options.max_size
        if settings.kind is param.ConfigKind.METAL_ISO:
            content, device = disks.read_metal_iso(self._options.root, self._ends_at, limit)
            return Configuration(self._checked(content), device)
        if settings.kind is param.ConfigKind.FILE:
            return Configuration(self._checked(disks.read_file_url(settings.config_url, limit)), settings.config_url)
        # Early documents precede the inline ones, as in Talos.
        given = {param.EARLY: settings.early, param.INLINE: settings.inline}
        parts = {name: decode_inline(text, name, limit) for name, text in given.items() if text is not None}
        return Configuration(self._checked(b"\n---\n".join(parts.values())), " and ".join(parts))

    def _checked(self, content: bytes) -> bytes:
        """Unpack a gzip file and check its kind; return the configuration as it will be delivered."""
        from bootgrant.acquire.expect import check_config
        from bootgrant.acquire.unpacking import unpack_gzip

        config = unpack_gzip(content, self._options.max_size)
        check_config(config, self._options.expect)
        return config

    def _over_http(self, settings: param.Settings) -> Configuration:
        from bootgrant.acquire.http.transport import Transport

        options = self._options
        authorities = self._authorities(settings)
        if settings.inline is not None:
            self._console.warning(f"{param.INLINE} is not used, because talos.config names another source")
        facts = MachineFacts(options.root, self._cmdline, options.given, options.code_file)
        wanted = wanted_variables(settings.config_url)
        hosts = _hosts(self._cmdline, settings, options.issuer)
        self._console.info("waiting for network to be ready")
        wait_for_address(self._ends_at, hosts)
        patience = options.attempt_timeout / 2
        variables = Variables(facts, options.root, self._console, self._clock, patience, self._ends_at)
        transport = Transport(ca=options.ca, environ=options.environ, authorities=authorities)
        oauth = settings.oauth
        authorizer = None if oauth is None else self._authorizer(oauth, variables, transport)
        values = variables.for_url(wanted)
        shown = without_password(populate(settings.config_url, _without_code(values)))
        content = self._fetch(populate(settings.config_url, values), shown, authorizer, transport)
        return Configuration(content, shown)

    def _authorities(self, settings: param.Settings) -> str:
        """The certificate authorities in ``talos.config.early``; its other documents are not used here."""
        if settings.early is None:
            return ""
        from bootgrant.acquire.cmdline.inline import trusted_roots

        try:
            found = trusted_roots(settings.early)
        except AcquireError as error:
            self._console.warning(f"{param.EARLY} is not used: {error}")
            return ""
        if not found:
            self._console.warning(f"{param.EARLY} is not used: it contains no certificate authority")
        return found

    def _authorizer(self, oauth: param.OAuthSettings, variables: Variables, transport: Transport) -> Authorizer:
        from bootgrant.acquire.flow.authorization import Authorizer, with_metadata

        metadata = None
        if self._options.issuer:
            from bootgrant.acquire.flow.discovery import discover

            metadata = discover(self._options.issuer, transport, self._console, self._clock, self._ends_at)
            oauth = with_metadata(oauth, metadata, self._cmdline)
        for line in oauth.announcement(without_password):
            self._console.info(line)
        values = variables.for_request(oauth.extra_variables)
        return Authorizer(
            oauth, values, self._options, metadata, transport=transport, console=self._console, clock=self._clock
        )

    def _fetch(self, url: str, shown: str, authorizer: Authorizer | None, transport: Transport) -> bytes:
        """Download. If the server refuses the token, authorize again."""
        options = self._options
        refusals = 0
        while True:
            header = None if authorizer is None else authorizer.header(self._ends_at)
            # Imported only now, so that the machine asks for a code sooner.
            from bootgrant.acquire.http.download import Download, TokenRefused, fetch

            self._console.info(f"fetching machine config from: {quote(shown)}")
            download = Download(url, header, self._ends_at, self._checked, options.attempt_timeout, options.max_size)
            outcome = fetch(download, transport, self._console, self._clock)
            if not isinstance(outcome, TokenRefused):
                return outcome
            refusals += 1
            if refusals == MAX_REFUSED_TOKENS:
                raise outcome.error
            self._console.warning(f"{outcome.error.what}: asking for a new authorization")


def _without_code(values: Mapping[str, str]) -> dict[str, str]:
    """The variables for display: ``code`` is a secret that a person gave to this machine."""
    return {name: "xxxxx" if name == "code" and value else value for name, value in values.items()}


def _hosts(cmdline: KernelCmdline, settings: param.Settings, issuer: str) -> list[str]:
    """The hosts to contact. Raises BadParameter for a URL that cannot be used, before the first request."""
    urls = {param.CONFIG: settings.config_url}
    if settings.oauth is not None:
        own = {param.DEVICE_AUTH_URL: settings.oauth.device_auth_url, param.TOKEN_URL: settings.oauth.token_url}
        urls |= {name: url for name, url in own.items() if not issuer or cmdline.first(name) is not None}
    hosts = [endpoint_of(url, name).host for name, url in urls.items()]
    return [*hosts, endpoint_of(issuer, "--issuer").host] if issuer else hosts
