"""Password hashes."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.wire.secret import Secret

pytestmark = pytest.mark.anyio


async def test_a_hash_is_argon2id_and_matches_only_its_password() -> None:
    hasher = Argon2Hasher()
    hashed = await hasher.hash(Secret("right"))
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await hasher.verify(hashed, Secret("right"))
    assert not await hasher.verify(hashed, Secret("wrong"))


async def test_hashing_does_not_block_the_event_loop() -> None:
    work = asyncio.ensure_future(Argon2Hasher().hash(Secret("x")))
    turns = 0
    while not work.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10


async def test_a_damaged_hash_is_a_fault_and_not_a_wrong_password() -> None:
    with pytest.raises(ValueError, match="not an Argon2 hash"):
        await Argon2Hasher().verify("plain", Secret("plain"))
