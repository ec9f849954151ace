"""A push service (RFC 8030) of the tests, and the phones behind it, which decrypt as a browser does (RFC 8291).

It refuses what a strict push service refuses: a missing TTL, another content coding, a large body, a topic that is too
long, and a VAPID token that is not for it, is not signed with the key of the subscription, or is valid for too long.
"""

from __future__ import annotations

import hmac
import json
import re
import ssl
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootgrant.ports.push import Subscription
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, Asked, Chunks, http

_CURVE = ec.SECP256R1()
_DAY = 86400.0


def b64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _expand(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF (RFC 5869) for at most 32 bytes."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]


@dataclass(slots=True)
class Phone:
    """A browser with a subscription at ``endpoint``."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(_CURVE))
    auth: bytes = b"sixteen bytes..."

    @property
    def p256dh(self) -> str:
        return b64(raw(self.private.public_key()))

    @property
    def subscription(self) -> Subscription:
        return Subscription(Secret(self.endpoint), self.p256dh, Secret(b64(self.auth)))

    @property
    def form(self) -> dict[str, str]:
        """What the account page sends."""
        return {"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": b64(self.auth)}

    def decrypt(self, body: bytes) -> bytes:
        """Return the content of a message. Raises ValueError or InvalidTag."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        if not 17 < len(sealed) <= size:
            raise ValueError("there must be one record")
        public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, theirs)
        info = b"WebPush: info\0" + raw(self.private.public_key()) + theirs
        secret = _expand(self.private.exchange(ec.ECDH(), public), self.auth, info, 32)
        key = _expand(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _expand(secret, salt, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        if padded[-1:] != b"\x02":
            raise ValueError("this is not the last record")
        return padded[:-1]


@dataclass(frozen=True, slots=True)
class Message:
    """A message that the push service took."""

    phone: Phone
    asked: Asked
    note: dict[str, Any]


class PushService:
    """``url`` is where it listens. ``answers`` are used before a message is taken: bytes, or chunks that may wait.

    ``keys`` are the public keys of servers that it takes messages from; empty: of any. ``trust`` is for the environment
    of a server that trusts its certificate.
    """

    def __init__(self, tls: ssl.SSLContext, now: Callable[[], float] = time.time) -> None:
        self._server = AnsweringServer(self._answer, tls=tls)
        self._now = now
        self._news = threading.Condition()
        self.phones: dict[str, Phone] = {}
        self.messages: list[Message] = []
        self.refused: list[str] = []
        self.answers: dict[str, list[bytes | Chunks]] = {}
        self.keys: set[str] = set()
        self.trust: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def asked(self) -> list[Asked]:
        return self._server.asked

    def url(self, host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self._server.port}"

    def phone(self, name: str = "secret-of-anas-phone", host: str = "127.0.0.1") -> Phone:
        """Return a phone with a new subscription."""
        phone = self.phones[f"/send/{name}"] = Phone(f"{self.url(host)}/send/{name}")
        return phone

    def answer_next(self, phone: Phone, *answers: bytes | Chunks) -> None:
        """Answer the next messages for ``phone`` with these."""
        self.answers.setdefault(f"/send/{phone.endpoint.rpartition('/')[2]}", []).extend(answers)

    def came(self, count: int, seconds: float = 30.0) -> Message:
        """Wait for the ``count``-th message that was taken, and return it."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.messages) >= count, seconds), (self.messages, self.refused)
            return self.messages[count - 1]

    def _answer(self, asked: Asked) -> bytes | Chunks:
        phone = self.phones.get(asked.target)
        if phone is None:
            return http(404)
        if waiting := self.answers.get(asked.target):
            return waiting.pop(0)
        if problem := self._problem(asked):
            self.refused.append(problem)
            return http(400, problem.encode())
        note = json.loads(phone.decrypt(asked.body))
        with self._news:
            self.messages.append(Message(phone, asked, note))
            self._news.notify_all()
        return http(201, Location=f"{self.url()}/message/1")

    def _problem(self, asked: Asked) -> str:
        headers = asked.headers
        if asked.method != "POST" or not headers.get("ttl", "").isdigit():
            return "POST and TTL are required (RFC 8030 section 5.2)"
        if headers.get("content-encoding") != "aes128gcm" or len(asked.body) > 4096:
            return "the message is not aes128gcm of at most 4096 bytes (RFC 8291 section 4)"
        if headers.get("urgency", "normal") not in ("very-low", "low", "normal", "high"):
            return "not an urgency (RFC 8030 section 5.3)"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("topic", "-")):
            return "not a topic (RFC 8030 section 5.4)"
        return self._vapid_problem(headers.get("authorization", ""), headers.get("host", ""))

    def _vapid_problem(self, header: str, host: str) -> str:
        found = re.fullmatch(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), ?k=([\w-]+)", header)
        if found is None:
            return "there is no VAPID token (RFC 8292 section 3)"
        head, body, signature, key = found.groups()
        claims, signed = json.loads(unb64(body)), unb64(signature)
        both = (int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:], "big"))
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, unb64(key))
            public.verify(encode_dss_signature(*both), f"{head}.{body}".encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return "the VAPID token is not signed with its key"
        if json.loads(unb64(head))["alg"] != "ES256" or (self.keys and key not in self.keys):
            return "the VAPID token has another key or algorithm"
        if claims["aud"] != f"https://{host}" or not self._now() < claims["exp"] <= self._now() + _DAY:
            return f"the VAPID token is for {claims['aud']}, until {claims['exp']}"
        return "" if claims.get("sub", "mailto:").startswith(("mailto:", "https:")) else "not a contact"


def hanging(until: threading.Event) -> Iterator[bytes]:
    """Yield an answer that does not come before ``until``."""
    until.wait(60)
    yield http(201)
