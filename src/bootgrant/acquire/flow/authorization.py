"""Tokens for one machine: endpoints, client authentication and PKCE as chosen or announced, and the header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.cmdline.settings import DEVICE_AUTH_URL, TOKEN_URL, OAuthSettings
from bootgrant.acquire.console import Console
from bootgrant.acquire.errors import ProviderFailed
from bootgrant.acquire.flow.device_flow import DeviceFlow, Rules
from bootgrant.acquire.flow.driver import authorize
from bootgrant.acquire.flow.provider import Provider
from bootgrant.acquire.flow.values import ClientAuth
from bootgrant.acquire.http.transport import Transport
from bootgrant.acquire.options import ClientAuthChoice, OnDenial, Options, PkceChoice, TokenChoice
from bootgrant.wire.device_flow import AccessToken
from bootgrant.wire.secret import Secret

if TYPE_CHECKING:
    from bootgrant.acquire.flow.discovery import Metadata

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_WELL_KNOWN_TYPES: Final = {"bearer": "Bearer", "mac": "MAC", "basic": "Basic", "dpop": "DPoP"}


class Authorizer:
    """Gets tokens for one machine. Each needs a person's approval."""

    def __init__(
        self,
        oauth: OAuthSettings,
        variables: Mapping[str, str],
        options: Options,
        metadata: Metadata | None,
        *,
        transport: Transport,
        console: Console,
        clock: Clock,
    ) -> None:
        self._options = options
        self._styles = client_auth_styles(oauth, options.client_auth, metadata)
        self._provider = Provider(transport, oauth, variables, pkce=uses_pkce(options.pkce, metadata))
        self._console = console
        self._clock = clock

    def header(self, ends_at: float) -> Secret:
        """Return the Authorization header for a new token once a person has approved. Raises AcquireError."""
        now = self._clock.steady()
        rules = Rules(
            timeout=max(0.0, ends_at - now),
            retry_pause=self._options.retry_pause,
            ask_again_after_denial=self._options.on_denial is OnDenial.RETRY,
            auth=self._styles,
        )
        token = authorize(DeviceFlow.begin(rules, now), self._provider, self._console, self._clock)
        header = authorization_header(token, self._options.token)
        self._console.info("[OAuth] device authorized")
        return header


def with_metadata(oauth: OAuthSettings, metadata: Metadata, cmdline: KernelCmdline) -> OAuthSettings:
    """``oauth`` with the endpoints from the metadata, except those set on the kernel command line."""
    device, token = cmdline.first(DEVICE_AUTH_URL), cmdline.first(TOKEN_URL)
    return replace(
        oauth,
        device_auth_url=metadata.device_authorization_endpoint if device is None else device,
        token_url=metadata.token_endpoint if token is None else token,
    )


def client_auth_styles(
    oauth: OAuthSettings, choice: ClientAuthChoice, metadata: Metadata | None
) -> tuple[ClientAuth, ...]:
    """The styles to try in order; ``invalid_client`` leads to the next."""
    if oauth.client_secret is None:
        return (ClientAuth.NONE,)
    announced = metadata.token_auth_methods if metadata is not None else ()
    match choice:
        case ClientAuthChoice.BASIC:
            return (ClientAuth.BASIC,)
        case ClientAuthChoice.BODY:
            return (ClientAuth.BODY,)
        case ClientAuthChoice.AUTO:
            only_basic = "client_secret_basic" in announced and "client_secret_post" not in announced
            return (ClientAuth.BASIC, ClientAuth.BODY) if only_basic else (ClientAuth.BODY, ClientAuth.BASIC)


def uses_pkce(choice: PkceChoice, metadata: Metadata | None) -> bool:
    """Whether to send a challenge. A provider that does not announce PKCE may refuse it as an unknown parameter."""
    if choice is PkceChoice.AUTO:
        return metadata is not None and "S256" in metadata.code_challenge_methods
    return choice is PkceChoice.ALWAYS


def authorization_header(token: AccessToken, choice: TokenChoice) -> Secret:
    """The header's value. Raises ProviderFailed for a token that is missing or not valid in a header."""
    secret, kind = token.access_token, token.token_type
    if choice is TokenChoice.ID:
        if token.id_token is None:
            raise ProviderFailed("the provider sent no id_token", "add talos.config.oauth.scope=openid")
        secret, kind = token.id_token, "Bearer"
    header = f"{_WELL_KNOWN_TYPES.get(kind.lower(), kind)} {secret.reveal()}"
    if _CONTROL.search(header) or header != header.strip():
        what = "the provider's token has characters that are not allowed in a header"
        raise ProviderFailed(what, "check the provider")
    return Secret(header)
