"""The ``metal`` platform's Configuration(): authorize, then download, each with the retries of the reference.

Source: Talos ``platform/metal/metal.go``, ``platform/metal/oauth2/oauth2.go``, ``pkg/download/download.go``; go-retry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bootgrant.acquire.clock import Clock, SystemClock
from bootgrant.acquire.cmdline.inline import decode_inline, trusted_roots
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.cmdline.settings import CONFIG, EARLY, INLINE, ConfigKind, OAuthSettings, Settings, read_settings
from bootgrant.acquire.cmdline.url_template import populate, wanted_variables
from bootgrant.acquire.console import Console
from bootgrant.acquire.disks import read_file_url, read_metal_iso
from bootgrant.acquire.errors import AcquireError, BadParameter, NoConfigSource
from bootgrant.acquire.facts import MachineFacts
from bootgrant.acquire.facts.network import wait_for_address
from bootgrant.acquire.flow.driver import authorize
from bootgrant.acquire.http.dial import TransportError
from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint
from bootgrant.acquire.http.transport import Transport
from bootgrant.acquire.options import Options
from bootgrant.acquire.sinks import Sink
from bootgrant.acquire.talos.flow import GoError, GoPanicError, TalosFlow
from bootgrant.acquire.talos.go_http import Call, DeadlineError, send
from bootgrant.acquire.talos.provider import TalosProvider, header_of
from bootgrant.wire.go_text import quote
from bootgrant.wire.secret import Secret

MAX_SIZE: Final = 128 << 20
"""The reference has no limit, but this machine's memory is limited."""
_FOR_EVER: Final = 365 * 86400.0
_SHOWN_BODY: Final = 32
_RC_FAILED: Final = 1
_RC_PANIC: Final = 2


def run_as_talos(cmdline: KernelCmdline, options: Options, console: Console, sink: Sink) -> int:
    """Do what a node does. Returns the exit status of its process: 0, 1 for an error, 2 for a crash."""
    try:
        sink.write(_Metal(cmdline, options, console, SystemClock()).configuration())
    except NoConfigSource:
        raise  # exit status 3, as in the default mode
    except GoPanicError as error:
        console.error(str(error))
        return _RC_PANIC
    except AcquireError as error:
        reason = str(error) if isinstance(error, GoError) else error.what
        console.error(f"error acquiring via platform metal: {reason}")
        return _RC_FAILED
    return 0


class _Metal:
    """One boot."""

    def __init__(self, cmdline: KernelCmdline, options: Options, console: Console, clock: Clock) -> None:
        self._cmdline = cmdline
        self._options = options
        self._console = console
        self._clock = clock
        self._facts = MachineFacts(options.root, cmdline, options.given, options.code_file, compat=True)
        self._transport = Transport(ca=options.ca, environ=options.environ)

    def configuration(self) -> bytes:
        if self._cmdline.first(CONFIG) in {None, "none"}:
            return self._from_parameters(read_settings(self._cmdline))
        self._console.info("waiting for network to be ready")
        try:
            settings = read_settings(self._cmdline)
        except BadParameter as error:
            raise GoError(f"failed to parse OAuth2 config: {error.what}") from error
        if settings.kind is ConfigKind.METAL_ISO:
            return read_metal_iso(self._options.root, self._clock.steady() + _FOR_EVER, MAX_SIZE)[0]
        if settings.kind is ConfigKind.FILE:
            return read_file_url(settings.config_url, MAX_SIZE)
        if settings.early is not None:
            authorities = trusted_roots(settings.early)
            self._transport = Transport(ca=self._options.ca, environ=self._options.environ, authorities=authorities)
        wait_for_address(self._clock.steady() + _FOR_EVER, _hosts(settings))
        header = None if settings.oauth is None else self._authorize(settings.oauth)
        return self._download(settings.config_url, header)

    def _from_parameters(self, settings: Settings) -> bytes:
        for encoded, name in ((settings.inline, INLINE), (settings.early, EARLY)):
            if encoded is not None:
                return decode_inline(encoded, name, MAX_SIZE)
        raise NoConfigSource("the kernel command line has no configuration", "add talos.config")

    def _authorize(self, oauth: OAuthSettings) -> Secret:
        provider = TalosProvider(self._transport, oauth, lambda: self._prepare(oauth))
        flow = TalosFlow.begin(self._options.timeout, self._options.retry_pause, self._clock.steady())
        try:
            token = authorize(flow, provider, self._console, self._clock)
        except GoPanicError:
            raise
        except GoError as error:
            raise GoError(f"OAuth2 device auth flow failed: {_error_set([str(error)])}") from error
        self._console.info("[OAuth] device authorized successfully")
        return Secret(header_of(token))

    def _prepare(self, oauth: OAuthSettings) -> Mapping[str, str]:
        """What precedes each request for codes: the announcement and the variables (MapValues)."""
        for line in oauth.announcement():
            self._console.info(line)
        try:
            return self._wait_for(oauth.extra_variables, "waiting for variables")
        except BadParameter as error:
            raise GoError(f"failed to get variable values: {error.what}") from error

    def _download(self, config_url: str, header: Secret | None) -> bytes:
        """Try until the timeout, after growing pauses: (2^n - 1) / 2 seconds and up to one more."""
        ends_at = self._clock.steady() + self._options.timeout
        errors: list[str] = []
        attempts = 0
        while True:
            outcome = self._attempt(config_url, header, ends_at)
            if isinstance(outcome, bytes):
                return outcome
            if outcome not in errors:
                errors.append(outcome)
                self._console.info(f"retrying error: {outcome}")
            attempts += 1
            pause = (2.0 ** min(attempts, 40) - 1) // 2 + self._clock.chance()
            self._clock.sleep_until(min(self._clock.steady() + pause, ends_at))
            if self._clock.steady() >= ends_at:
                raise GoError(_error_set([*(e for e in errors if e != "timeout"), "timeout"]))

    def _attempt(self, config_url: str, header: Secret | None, ends_at: float) -> bytes | str:
        """Return the body, or the text of the error."""
        deadline = min(self._clock.steady() + self._options.attempt_timeout, ends_at)
        url = self._populated(config_url)
        self._console.info(f"fetching machine config from: {quote(url)}")
        headers = () if header is None else (("Authorization", header.reveal()),)
        failed = f"failed to download config from {quote(config_url)}"
        try:
            answer = send(self._transport, Call("GET", url, headers), deadline=deadline, max_body=MAX_SIZE)
        except DeadlineError:
            return "timeout"
        except (GoError, TransportError) as error:
            return f"{failed}: {error}"
        if answer.status in {200, 204}:
            return answer.body
        body = quote(answer.body[:_SHOWN_BODY].decode("utf-8", "surrogateescape"))
        return f"{failed}: failed to download config, status code {answer.status}, body {body}"

    def _populated(self, config_url: str) -> str:
        """Replace variables; missing ones stay, and a URL that cannot be parsed becomes empty, as in the reference."""
        try:
            values = self._wait_for(wanted_variables(config_url, compat=True), "waiting for URL variables")
            url = populate(config_url, values, compat=True)
        except BadParameter as error:
            self._not_populated(config_url, error.what)
            return ""
        if not all(values.values()):
            self._not_populated(config_url, "context deadline exceeded")
        return url

    def _wait_for(self, names: Sequence[str], line: str) -> dict[str, str]:
        deadline = self._clock.steady() + self._options.attempt_timeout / 2
        return self._facts.wait_for(
            names, deadline, lambda missing: self._console.info(f"{line}: [{' '.join(missing)}]")
        )

    def _not_populated(self, config_url: str, why: str) -> None:
        self._console.info(f"failed to populate talos.config fetch URL {quote(config_url)}: {why}")


def _error_set(errors: list[str]) -> str:
    """As ErrorSet.Error() in go-retry."""
    return f"{len(errors)} error(s) occurred:" + "".join(f"\n\t{error}" for error in errors)


def _hosts(settings: Settings) -> list[str]:
    hosts = []
    for url in (settings.config_url, settings.oauth.device_auth_url if settings.oauth else ""):
        try:
            hosts.append(parse_endpoint(url).host)
        except EndpointError:
            continue
    return hosts
