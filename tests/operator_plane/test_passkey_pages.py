"""Registering a passkey needs a recent sign-in, so that nobody can add one to an open session they find."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from webauthn.helpers import bytes_to_base64url

from bootgrant.approval.operators import Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.people import Operator, Passkey
from bootgrant.wire.secret import Secret
from support.office import Office, Person
from support.site import site_in_process
from support.soft_passkey import SoftPasskey

pytestmark = pytest.mark.anyio
URL = "http://localhost:8080"
PASSWORD = "correct horse battery"
FRESH = 15 * 60
FORM = "/account/passkeys/new"


@dataclass(slots=True)
class Desk:
    """A person who has just signed in with a password, at an address where browsers allow passkeys."""

    office: Office
    person: Person

    async def open_form(self) -> str:
        """Open the form for a new passkey, and return the answer of an authenticator to it."""
        page = (await self.person.open(FORM)).text
        options = re.search(r'data-options="([^"]+)"', page)
        assert options is not None, page
        return SoftPasskey(URL, "localhost", 7, b"phone").register(html.unescape(options[1]))

    async def register(self, answer: str) -> str:
        """Send the form, and return where the answer leads."""
        sent = await self.person.send(FORM, answer=answer, name="Phone", next="/account")
        return sent.headers.get("location", f"status {sent.status_code}")

    async def handle(self) -> str:
        return bytes_to_base64url((await self.passkeys())[0].handle)

    async def passkeys(self) -> list[Passkey]:
        return list(await self.office.site.database.passkeys.passkeys_of("ana"))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with site_in_process(tmp_path, "[operators]", f'public_url = "{URL}"') as site:
        hashed = await Argon2Hasher().hash(Secret(PASSWORD))
        await site.database.operators.add_operator(Operator("ana", hashed, site.clock.now(), Role.ADMIN))
        transport = httpx2.ASGITransport(site.built.public, client=("10.0.0.5", 40000))
        async with httpx2.AsyncClient(transport=transport, base_url=URL, headers={"origin": URL}) as client:
            person = Person(client)
            await person.send("/login", name="ana", password=PASSWORD, next="/")
            yield Desk(Office(site), person)


async def test_a_passkey_is_registered_after_a_fresh_sign_in(desk: Desk) -> None:
    assert await desk.register(await desk.open_form()) == "/account"
    assert [passkey.name for passkey in await desk.passkeys()] == ["Phone"]


async def test_the_form_for_a_passkey_opens_only_after_a_fresh_sign_in(desk: Desk) -> None:
    desk.office.site.clock.advance(FRESH + 1)
    assert (await desk.person.open(FORM)).headers["location"].startswith("/login/again?")


async def test_a_form_that_was_opened_in_time_registers_no_passkey_once_the_sign_in_is_old(desk: Desk) -> None:
    desk.office.site.clock.advance(FRESH - 60)
    answer = await desk.open_form()
    desk.office.site.clock.advance(120)
    assert (await desk.register(answer)).startswith("/login/again?")
    assert await desk.passkeys() == []


async def test_a_passkey_is_removed_only_after_a_fresh_sign_in(desk: Desk) -> None:
    await desk.register(await desk.open_form())
    desk.office.site.clock.advance(FRESH + 1)
    removed = await desk.person.send("/account/passkeys/remove", passkey=b"phone".hex())
    assert removed.headers["location"].startswith("/login/again?")
    assert len(await desk.passkeys()) == 1


async def test_guessed_passwords_do_not_slow_down_passkeys_of_the_same_address(desk: Desk) -> None:
    answer = await desk.open_form()
    await desk.register(answer)
    guesses = [await desk.person.send("/login", name=f"eve{n}", password="no", next="/") for n in range(12)]
    assert guesses[-1].status_code == 429
    await desk.person.open("/account")
    await desk.person.send("/logout")
    page = (await desk.person.open("/login/passkey")).text
    options = re.search(r'data-options="([^"]+)"', page)
    assert options is not None
    phone = SoftPasskey(URL, "localhost", 7, b"phone", handle=await desk.handle())
    sent = await desk.person.send("/login/passkey", answer=phone.sign_in(html.unescape(options[1])), next="/device")
    assert (sent.status_code, sent.headers.get("location")) == (303, "/device")
