"""Push messages to a push service of the tests: what it sees, what the phone reads, and what is not sent at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bootgrant.messengers.push_encryption import PADDED, BrowserKeys, encrypted
from bootgrant.messengers.vapid import PushKey
from bootgrant.messengers.web_push import WebPush, look_up
from bootgrant.ports.notifications import NotSent
from bootgrant.ports.push import PushNote, Subscription, SubscriptionGone
from bootgrant.wire.secret import Secret
from support.answering_server import http
from support.certificates import Authority
from support.push_service import Phone, PushService, b64, hanging, raw, unb64

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000.0
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
NOTE = PushNote("fra: cp-1", "Expected, 10.20.0.11.", "/requests/019a", "019a", 540)

# RFC 8291 appendix A.
RFC_PHONE = Phone(
    "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
    ec.derive_private_key(int.from_bytes(unb64("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big"), ec.SECP256R1()),
    unb64("BTBZMqHH6r4Tts7J_aSIgg"),
)
RFC_ONCE = ec.derive_private_key(
    int.from_bytes(unb64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
)
RFC_SALT = unb64("DGv6ra1nlYgDCS1FRnbzlw")
RFC_TEXT = b"When I grow up, I want to be a watermelon"
RFC_BODY = unb64(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def service(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with PushService(authority.server("DNS:localhost,IP:127.0.0.1"), lambda: NOW) as running:
        yield running


def web_push(*services: str, allow_private: bool = True, names: LookUp = look_up) -> WebPush:
    key = PushKey.from_secret(b"k" * 32, "mailto:ops@example.org")
    return WebPush(key, services or ("127.0.0.1", "localhost"), allow_private, lambda: NOW, os.urandom, names)


class Names:
    """A name server that answers each look-up with the next of these, and then fails."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        if not self.answers:
            raise OSError("no such host")
        return self.answers.pop(0)


async def failure(phone: Phone, push: WebPush | None = None) -> NotSent:
    with pytest.raises(NotSent) as failed:
        await (push or web_push()).send(phone.subscription, NOTE)
    return failed.value


def test_the_encryption_is_that_of_the_example_in_the_rfc() -> None:
    assert RFC_PHONE.decrypt(RFC_BODY) == RFC_TEXT
    ours = encrypted(RFC_TEXT, BrowserKeys.of(RFC_PHONE.subscription), RFC_ONCE, RFC_SALT)
    # The example is not padded, so only its head and the part before the padding are the same.
    before_padding = len(RFC_BODY) - 16
    assert ours[:before_padding] == RFC_BODY[:before_padding]
    assert RFC_PHONE.decrypt(ours) == RFC_TEXT


@pytest.mark.parametrize("length", [0, 1, 300, PADDED - 1])
def test_the_length_of_a_message_says_nothing_about_its_content(length: int) -> None:
    phone, once = Phone("https://push.example"), ec.generate_private_key(ec.SECP256R1())
    body = encrypted(b"x" * length, BrowserKeys.of(phone.subscription), once, os.urandom(16))
    assert (len(body), phone.decrypt(body)) == (86 + PADDED + 16, b"x" * length)


def test_a_longer_message_is_refused() -> None:
    phone = Phone("https://push.example")
    with pytest.raises(ValueError, match="at most"):
        encrypted(b"x" * PADDED, BrowserKeys.of(phone.subscription), RFC_ONCE, RFC_SALT)


async def test_a_phone_reads_what_the_push_service_cannot(service: PushService) -> None:
    phone = service.phone()
    await web_push().send(phone.subscription, NOTE)
    [message] = service.messages
    assert message.note == {"title": NOTE.title, "body": NOTE.body, "link": NOTE.link, "tag": NOTE.tag}
    assert (message.asked.headers["ttl"], message.asked.headers["urgency"]) == ("540", "high")
    seen = message.asked.wire + message.asked.body
    assert not [word for word in (b"cp-1", b"fra", b"10.20", b"019a", b"Expected") if word in seen]


async def test_every_message_is_encrypted_with_another_key(service: PushService) -> None:
    phone = service.phone()
    for _ in range(2):
        await web_push().send(phone.subscription, NOTE)
    first, second = (message.asked for message in service.messages)
    assert first.body[:86] != second.body[:86]
    assert first.headers["topic"] == second.headers["topic"], "the second replaces the first while it waits"


async def test_the_token_names_the_server_to_this_push_service_only(service: PushService) -> None:
    service.keys = {web_push().key.public}
    await web_push().send(service.phone(host="localhost").subscription, NOTE)
    header = service.messages[0].asked.headers["authorization"]
    claims = json.loads(unb64(header.split(".")[1]))
    assert claims == {"aud": service.url("localhost"), "exp": int(NOW) + 12 * 3600, "sub": "mailto:ops@example.org"}
    other = WebPush(PushKey.from_secret(b"o" * 32), ("127.0.0.1",), True, lambda: NOW, os.urandom, look_up)
    assert "400" in str(await failure(service.phone(), other))


def test_all_servers_of_a_site_have_the_same_key_and_other_sites_another() -> None:
    one, same, other = (PushKey.from_secret(secret * 32).public for secret in (b"k", b"k", b"o"))
    assert one == same != other
    assert len(unb64(one)) == 65


@pytest.mark.parametrize(
    ("status", "permanent", "after"),
    [(503, False, 7.0), (429, False, 7.0), (500, False, 7.0), (413, True, 7.0), (307, True, 7.0), (301, True, 7.0)],
)
async def test_a_refusal_says_whether_to_try_again(
    service: PushService, status: int, permanent: bool, after: float
) -> None:
    phone = service.phone()
    service.answer_next(phone, http(status, Retry_After="7", Location=f"{service.url()}/elsewhere"))
    failed = await failure(phone)
    assert (failed.permanent, failed.after, str(status) in str(failed)) == (permanent, after, True)
    assert len(service.asked) == 1, "redirects are not followed"
    assert "secret-of" not in str(failed)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_has_ended_is_gone(service: PushService, status: int) -> None:
    phone = service.phone()
    service.answer_next(phone, http(status))
    assert isinstance(await failure(phone), SubscriptionGone)


async def test_a_private_address_is_refused_before_anything_is_sent(service: PushService) -> None:
    for host in ("127.0.0.1", "localhost"):
        failed = await failure(service.phone(host=host), web_push(allow_private=False))
        assert (failed.permanent, "push.allow_private" in str(failed)) == (True, True)
    assert service.asked == []


async def test_one_private_address_among_others_is_refused(service: PushService) -> None:
    for private in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"):
        names = Names(["198.51.99.1", private])
        failed = await failure(
            service.phone(host="push.example"), web_push("push.example", allow_private=False, names=names)
        )
        assert "push.allow_private" in str(failed), private
    assert service.asked == []


async def test_the_address_that_was_looked_up_is_used_and_the_certificate_must_have_the_name(
    authority: Authority, service: PushService
) -> None:
    named = authority.server("DNS:push.example")
    with PushService(named, lambda: NOW) as other:
        # The first address is that of nobody, the second that of the service; a second look-up would fail.
        names = Names(["127.0.0.2", "127.0.0.1"])
        await web_push("push.example", names=names).send(other.phone(host="push.example").subscription, NOTE)
        assert other.messages[0].asked.headers["host"] == f"push.example:{other.port}"
    impostor = service.phone(host="push.example")
    assert "cannot be reached" in str(await failure(impostor, web_push("push.example", names=Names(["127.0.0.1"]))))
    assert "cannot be reached" in str(await failure(impostor, web_push("push.example", names=Names())))
    assert service.asked == []


async def test_a_server_with_another_certificate_gets_nothing(
    service: PushService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path).certificate))
    failed = await failure(service.phone())
    assert (failed.permanent, str(failed)) == (False, "127.0.0.1 cannot be reached (ConnectError)")
    assert service.asked == []


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("https://evil.example/send/1", "not in push.services"),
        ("https://push.example.org.evil.example/1", "not in push.services"),
        ("https://below.org/1", "not in push.services"),
        ("http://push.example.org/1", "must be https"),
        ("https://ana:pw@push.example.org/1", "must be https"),
        ("file:///etc/passwd", "must be https"),
        ("https://push.example.org:0/1", "an invalid port"),
        ("https://push.example.org:99999/1", "an invalid port"),
        ("https://push.example.org\\@evil.example/1", "must be https"),
        ("https://push.example.org./1", "not in push.services"),
        ("https://[::1/1", "not a URL"),
        ("", "must be https"),
    ],
)
async def test_only_the_push_services_of_the_settings_get_anything(endpoint: str, problem: str) -> None:
    push = web_push("push.example.org", "*.below.org")
    assert problem in push.problem(Phone(endpoint).subscription)
    assert problem in str(await failure(Phone(endpoint), push))


@pytest.mark.parametrize(
    "endpoint", ["https://push.example.org/1", "https://a.below.org/1", "https://a.b.below.org:8443/1"]
)
def test_the_push_services_of_the_settings_are_accepted(endpoint: str) -> None:
    assert web_push("push.example.org", "*.below.org").problem(Phone(endpoint).subscription) == ""


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", b64(b"a" * 16)),
        ("\xff", b64(b"a" * 16)),
        (b64(b"\x04" + b"1" * 64), b64(b"a" * 16)),
        (b64(raw(RFC_ONCE.public_key())), b64(b"a" * 15)),
        (b64(raw(RFC_ONCE.public_key())), "\xe9"),
    ],
)
def test_keys_that_no_browser_makes_are_refused(p256dh: str, auth: str) -> None:
    bad = Subscription(Secret("https://127.0.0.1/1"), p256dh, Secret(auth))
    assert "subscription" in web_push().problem(bad)


async def test_a_push_service_that_does_not_answer_is_left_after_ten_seconds(service: PushService) -> None:
    phone, over = service.phone(), threading.Event()
    service.answer_next(phone, hanging(over))
    failed = await failure(phone)
    over.set()
    assert (failed.permanent, str(failed)) == (False, "127.0.0.1 did not answer within 10 s")
