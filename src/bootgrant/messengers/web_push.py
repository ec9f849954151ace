"""Sending push messages to the push services of browsers (RFC 8030).

The address of a subscription comes from a browser, so nothing is sent but to the push services that the settings name,
over HTTPS, to no private address, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec

from bootgrant.messengers.posting import PERMANENT, retry_after
from bootgrant.messengers.push_encryption import BrowserKeys, encoded, encrypted
from bootgrant.messengers.vapid import PushKey
from bootgrant.ports.notifications import NotSent
from bootgrant.ports.push import PushNote, Subscription, SubscriptionGone
from bootgrant.trust import client_context

TIMEOUT: Final = 10.0
_CONNECT: Final = 3.0
_GONE: Final = frozenset({404, 410})
_TOPIC: Final = 24
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class WebPush:
    """ports.push.PushService.

    ``services`` are host names; ``*.example.org`` is every host below example.org. ``allow_private`` permits private
    addresses. ``now`` reads Unix time, ``random`` gives random bytes, ``look_up`` the addresses of a host and port.
    """

    key: PushKey
    services: Sequence[str]
    allow_private: bool
    now: Callable[[], float]
    random: Callable[[int], bytes]
    look_up: Callable[[str, int], Awaitable[Sequence[str]]]

    def problem(self, subscription: Subscription) -> str:
        try:
            url = _url(subscription)
            BrowserKeys.of(subscription)
        except ValueError as error:
            return str(error)
        if not any(_is_named(url.host, service) for service in self.services):
            return f"the push service {url.host} is not in push.services"
        return ""

    async def send(self, subscription: Subscription, note: PushNote) -> None:
        if problem := self.problem(subscription):
            raise NotSent(problem, permanent=True)
        url = _url(subscription)
        body, headers = self._message(url, subscription, note)
        try:
            async with asyncio.timeout(TIMEOUT):
                status, wait = await self._post(url, body, headers)
        except (TimeoutError, httpx2.TimeoutException):
            raise NotSent(f"{url.host} did not answer within {TIMEOUT:.0f} s") from None
        except (httpx2.HTTPError, OSError, ValueError) as error:
            # The text of some errors contains the URL.
            raise NotSent(f"{url.host} cannot be reached ({type(error).__name__})") from None
        if status in _GONE:
            raise SubscriptionGone(f"{url.host} does not know the device any more", permanent=True)
        if not 200 <= status < 300:
            permanent = status in PERMANENT or 300 <= status < 400
            raise NotSent(f"{url.host} answered {status}", permanent=permanent, after=retry_after(wait))

    def _message(self, url: httpx2.URL, subscription: Subscription, note: PushNote) -> tuple[bytes, dict[str, str]]:
        shown = {"title": note.title, "body": note.body, "link": note.link, "tag": note.tag}
        content = json.dumps(shown, separators=(",", ":")).encode()
        once = ec.generate_private_key(ec.SECP256R1())
        body = encrypted(content, BrowserKeys.of(subscription), once, self.random(_SALT))
        origin = f"https://{url.netloc.decode('ascii')}"
        # The topic names the note to the push service, which must not learn what it is about.
        topic = sha256(f"{subscription.auth.reveal()} {note.tag}".encode()).digest()[:_TOPIC]
        return body, {
            "authorization": self.key.authorization(origin, self.now()),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(note.ttl),
            "urgency": "high",
            "topic": encoded(topic),
        }

    async def _post(self, url: httpx2.URL, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Return status and Retry-After of the answer, whose body is not read."""
        # In a thread: reading all authorities takes tens of milliseconds.
        context = await asyncio.to_thread(client_context)
        timeout = httpx2.Timeout(TIMEOUT, connect=_CONNECT)
        headers = {**headers, "host": url.netloc.decode("ascii")}
        async with httpx2.AsyncClient(timeout=timeout, verify=context, follow_redirects=False) as client:
            *others, last = await self._places(url)
            for place in others:
                with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                    return await _posted(client, place, url.host, body, headers)
            return await _posted(client, last, url.host, body, headers)

    async def _places(self, url: httpx2.URL) -> Sequence[httpx2.URL]:
        """Return the URLs to connect to: those of addresses that were checked, so that no second look-up gives others.

        A proxy of the environment looks names up itself.
        """
        if _has_proxy(url.host):
            return [url]
        addresses = [ipaddress.ip_address(found) for found in await self.look_up(url.host, url.port or 443)]
        if not self.allow_private and not all(address.is_global for address in addresses):
            raise NotSent(f"{url.host} has a private address: push.allow_private permits that", permanent=True)
        return [url.copy_with(host=str(address)) for address in dict.fromkeys(addresses)]


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host. Raises OSError; there is at least one."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def _posted(
    client: httpx2.AsyncClient, place: httpx2.URL, host: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str]:
    """Send to ``place``, whose certificate must be that of ``host``."""
    named = {"sni_hostname": host}
    async with client.stream("POST", place, content=body, headers=headers, extensions=named) as answer:
        return answer.status_code, answer.headers.get("retry-after", "")


def _url(subscription: Subscription) -> httpx2.URL:
    """Return the address of a subscription. Raises ValueError for one that no browser gives."""
    try:
        url = httpx2.URL(subscription.endpoint.reveal())
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("the address of the push service is not a URL") from None
    if url.scheme != "https" or not url.host or url.userinfo:
        raise ValueError("the address of the push service must be https")
    if url.port is not None and not 0 < url.port < 65536:
        raise ValueError("the address of the push service has an invalid port")
    return url


def _is_named(host: str, service: str) -> bool:
    return host.endswith(service[1:]) if service.startswith("*.") else host == service


def _has_proxy(host: str) -> bool:
    return "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
