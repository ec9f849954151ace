"""A certificate from an ACME authority (RFC 8555), with the library of certbot: ``bootgrant[acme]``.

``acme-account.key`` is the account and ``acme.pem`` the certificate with its key, both in ``data/tls``. Until the first
certificate arrives, a placeholder that no client trusts lets the server listen, because the authority connects to it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from bootgrant.credentials import authority as signing
from bootgrant.credentials.authority import NotOpened
from bootgrant.extras import advice, missing_module
from bootgrant.messengers.own_thread import in_own_thread
from bootgrant.ports.chores import StepFailed
from bootgrant.service.certificates.challenges import ALPN, ChallengeAnswers
from bootgrant.service.certificates.own import is_due
from bootgrant.service.certificates.private_files import certificate_folder, key_secret, read_certificates, replace_file
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.service.settings.tls import AcmeChallenge, TlsFiles

if TYPE_CHECKING:
    from acme.client import ClientV2
    from acme.messages import AuthorizationResource, ChallengeBody

log = logging.getLogger("bootgrant")

FIRST_PAUSE: Final = 300.0
LONGEST_PAUSE: Final = 6 * 3600.0
"""Seconds between attempts, doubled from the first to the longest: authorities limit how often a check may fail."""
_AFTER_LIMIT: Final = 3600.0
_CHECK_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5
_REQUEST_SECONDS: Final = 20
_PLACEHOLDER_DAYS: Final = 0.25
"""So short that it is always due for renewal."""
_MOST_DETAIL: Final = 300
_DNS: Final = 'For an address or name that is not public, use tls.mode = "own", or a proxy with DNS-01 (docs/https.md)'


class AcmeCertificate:
    """The certificate of a site from its ACME authority. ``answers`` is what this server answers meanwhile."""

    def __init__(self, site: Site, code_key: bytes, answers: ChallengeAnswers) -> None:
        self._settings = site.tls.acme
        self._hosts = site.certificate_hosts
        self._secret = key_secret(site, code_key)
        self._answers = answers
        self._folder = certificate_folder(site)
        self._failures = 0
        path = self._folder / "acme.pem"
        self.files = TlsFiles(path, path, self._secret)

    def prepare(self, now: float) -> None:
        """Check that the library is there, and make a placeholder if there is no certificate. Raises SettingsError."""
        if module := missing_module("acme"):
            raise SettingsError(f'tls.mode = "acme": {advice("acme", module)}')
        if not read_certificates(self.files.certificate):
            made = signing.sign(signing.new_authority(self._hosts, now), self._hosts, now, _PLACEHOLDER_DAYS)
            self._write(signing.as_pem(made.certificate), signing.locked(made.key, self._secret))

    async def step(self, now: float) -> None:
        """Get a new certificate if it is time. Raises StepFailed; the old certificate then stays."""
        found = await asyncio.to_thread(read_certificates, self.files.certificate)
        if found and not is_due(found[0], now) and signing.hosts_of(found[0]) == set(self._hosts):
            return
        try:
            await in_own_thread(lambda: self._order(now), "bg-acme")
        except Exception as error:
            self._failures += 1
            raise self._failure(error) from error
        self._failures = 0

    def _order(self, now: float) -> None:
        client, thumbprint = _client(self._settings.directory, self._settings.ca_file, self._account_key())
        _register(client, self._settings.email)
        key = signing.new_key()
        order = client.new_order(signing.signing_request(key, self._hosts))
        for each in order.authorizations:
            self._prove(client, each, thumbprint, now)
        done = client.poll_and_finalize(order)
        self._write(done.fullchain_pem, signing.locked(key, self._secret))
        log.info("got a certificate for %s from %s", ", ".join(self._hosts), self._settings.directory)

    def _prove(self, client: ClientV2, authorization: AuthorizationResource, thumbprint: str, now: float) -> None:
        """Answer the challenge for one name, and wait until the authority has checked it."""
        from acme import challenges, messages

        if authorization.body.status == messages.STATUS_VALID:
            return
        host = str(authorization.body.identifier.value)
        wanted = self._settings.challenge.value
        body, token = _challenge(authorization, wanted, host)
        answer = f"{token}.{thumbprint}"
        with self._answering(host, token, answer, now):
            client.answer_challenge(body, challenges.HTTP01Response(key_authorization=answer))
            found = _checked(client, authorization, host)
        if found.body.status != messages.STATUS_VALID:
            raise _Refused(f"{host}: {_detail(found)}")

    @contextmanager
    def _answering(self, host: str, token: str, answer: str, now: float) -> Iterator[None]:
        if self._settings.challenge is AcmeChallenge.HTTP_01:
            self._answers.tokens[token] = answer
        else:
            self._answers.context = self._challenge_context(host, answer, now)
        try:
            yield
        finally:
            self._answers.tokens.pop(token, None)
            self._answers.context = None

    def _challenge_context(self, host: str, answer: str, now: float) -> ssl.SSLContext:
        made = signing.challenge_certificate(host, hashlib.sha256(answer.encode()).digest(), now)
        path = self._folder / "challenge.pem"
        replace_file(path, signing.as_pem(made.certificate) + signing.locked(made.key, self._secret))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([ALPN])
        context.load_cert_chain(path, password=self._secret.reveal())
        path.unlink(missing_ok=True)
        return context

    def _account_key(self) -> bytes:
        """Return the key of the account as PEM that is not encrypted; it is made if there is none."""
        path = self._folder / "acme-account.key"
        if not path.exists():
            replace_file(path, signing.locked(signing.new_key(), self._secret))
        try:
            return signing.in_clear(signing.unlocked(path.read_bytes(), self._secret))
        except NotOpened:
            raise _Refused(
                f"{path} cannot be opened with this code key or tls.passphrase_file: remove it to get a new account"
            ) from None

    def _write(self, chain: str, key: str) -> None:
        replace_file(self.files.certificate, f"{chain.rstrip()}\n{key}")

    def _failure(self, error: Exception) -> StepFailed:
        from acme import messages

        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 16))
        if isinstance(error, messages.Error) and error.code == "rateLimited":
            pause = max(pause, _AFTER_LIMIT)
        reason = str(error) if isinstance(error, (_Refused, SettingsError)) else _explained(error)
        return StepFailed(f"no new certificate: {reason}"[: 2 * _MOST_DETAIL], pause)


class _Refused(Exception):
    """The authority did not give a certificate. The text says why, and what to do."""


def _client(directory: str, ca: Path | None, account_key: bytes) -> tuple[ClientV2, str]:
    """Return a client for the account, and the thumbprint of its key (RFC 8555 section 8.1)."""
    from acme import client
    from josepy.jwa import ES256
    from josepy.jwk import JWK

    from bootgrant import __version__

    key = JWK.load(account_key)
    network = client.ClientNetwork(
        key,
        alg=ES256,
        # The library passes it to requests, which also takes the path of a file.
        verify_ssl=cast("bool", str(ca)) if ca else True,
        user_agent=f"bootgrant/{__version__}",
        timeout=_REQUEST_SECONDS,
    )
    found = client.ClientV2(client.ClientV2.get_directory(directory, network), network)
    return found, base64.urlsafe_b64encode(key.thumbprint()).decode().rstrip("=")


def _register(client: ClientV2, email: str) -> None:
    from acme import errors, messages

    try:
        client.new_account(messages.NewRegistration.from_data(email=email or None, terms_of_service_agreed=True))
    except errors.ConflictError as exists:
        client.net.account = messages.RegistrationResource(body=messages.Registration(), uri=exists.location)


def _checked(client: ClientV2, authorization: AuthorizationResource, host: str) -> AuthorizationResource:
    """Wait until the authority has checked a name. Raises _Refused."""
    from acme import messages

    end = time.monotonic() + _CHECK_SECONDS
    while time.monotonic() < end:
        found, _ = client.poll(authorization)
        if found.body.status not in (messages.STATUS_PENDING, messages.STATUS_PROCESSING):
            return found
        time.sleep(_POLL_SECONDS)
    raise _Refused(f"{host} was not checked in {_CHECK_SECONDS:.0f} s")


def _challenge(authorization: AuthorizationResource, wanted: str, host: str) -> tuple[ChallengeBody, str]:
    """Return the challenge of the wanted kind, and its token. Raises _Refused."""
    for body in authorization.body.challenges:
        written = body.to_partial_json()
        if written.get("type") == wanted:
            return body, str(written["token"])
    raise _Refused(f"the authority does not offer {wanted} for {host}: set tls.acme.challenge to the other one. {_DNS}")


def _detail(authorization: AuthorizationResource) -> str:
    """Why a check failed, and what to do."""
    found = [str(each.error.detail) for each in authorization.body.challenges if each.error is not None]
    reason = (found or ["the check failed"])[0][:_MOST_DETAIL]
    return f"{reason}. The authority must reach this server by that name. {_DNS}"


def _explained(error: Exception) -> str:
    from acme import errors, messages

    if isinstance(error, messages.Error):
        return f"the authority refused: {error.detail or error.code}"[:_MOST_DETAIL]
    if isinstance(error, errors.TimeoutError):
        return "the authority took too long"
    return f"the authority cannot be reached, or its answer cannot be used ({type(error).__name__}): {error}"
