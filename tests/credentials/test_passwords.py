"""Password hashes."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.wire.secret import Secret

pytestmark = pytest.mark.anyio


async def test_a_hash_is_argon2id_and_fits_its_password_alone() -> None:
    hasher = Argon2Hasher()
    hashed = await hasher.hash(Secret("right"))
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await hasher.verify(hashed, Secret("right"))
    assert not await hasher.verify(hashed, Secret("wrong"))


async def test_the_loop_goes_on_while_a_password_is_looked_at() -> None:
    hasher = Argon2Hasher()
    work = asyncio.ensure_future(hasher.hash(Secret("x")))
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


async def test_a_damaged_hash_is_a_fault_and_no_wrong_password() -> None:
    with pytest.raises(ValueError, match="not one of argon2"):
        await Argon2Hasher().verify("plain", Secret("plain"))
