"""Sending push messages to the push services of browsers (RFC 8030).

The address of a subscription comes from a browser, so nothing is sent but to the push services that the settings name,
over HTTPS, to no private address, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import urllib.request
from collections.abc import Callable, Sequence
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
_GONE: Final = frozenset({404, 410})
_TOPIC: Final = 24
_SALT: Final = 16


@dataclass(frozen=True, slots=True)
class WebPush:
    """ports.push.PushService.

    ``services`` are host names; ``*.example.org`` is every host below example.org. ``allow_private`` permits private
    addresses. ``now`` reads Unix time, ``random`` gives random bytes.
    """

    key: PushKey
    services: Sequence[str]
    allow_private: bool
    now: Callable[[], float]
    random: Callable[[int], bytes]

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
        place, extensions = await self._place(url)
        headers = {**headers, "host": url.netloc.decode("ascii")}
        # In a thread: reading all authorities takes tens of milliseconds.
        context = await asyncio.to_thread(client_context)
        client = httpx2.AsyncClient(timeout=TIMEOUT, verify=context, follow_redirects=False)
        async with (
            client,
            client.stream("POST", place, content=body, headers=headers, extensions=extensions) as answer,
        ):
            return answer.status_code, answer.headers.get("retry-after", "")

    async def _place(self, url: httpx2.URL) -> tuple[httpx2.URL, dict[str, str]]:
        """Return the URL to connect to: that of an address that was checked, so that no second look-up gives another.

        A proxy of the environment looks names up itself.
        """
        if self.allow_private or _has_proxy(url.host):
            return url, {}
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(each[4][0])) for each in found]
        if not addresses or not all(address.is_global for address in addresses):
            raise NotSent(f"{url.host} has a private address: push.allow_private permits that", permanent=True)
        return url.copy_with(host=str(addresses[0])), {"sni_hostname": url.host}


def _url(subscription: Subscription) -> httpx2.URL:
    """Return the address of a subscription. Raises ValueError for one that no browser gives."""
    try:
        url = httpx2.URL(subscription.endpoint.reveal())
    except (httpx2.InvalidURL, ValueError):
        raise ValueError("the address of the push service is not a URL") from None
    if url.scheme != "https" or not url.host or url.userinfo:
        raise ValueError("the address of the push service must be https")
    return url


def _is_named(host: str, service: str) -> bool:
    return host.endswith(service[1:]) if service.startswith("*.") else host == service


def _has_proxy(host: str) -> bool:
    return "https" in urllib.request.getproxies() and not urllib.request.proxy_bypass(host)
