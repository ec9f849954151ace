"""A storm: machines ask, poll and fetch all the time, and people decide, while servers are killed."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from bootgrant.fleet.exchange import Address, Answer, ExchangeFailed, exchange
from support.ledger import Ledger, Life, config_of
from support.machine import DEVICE_GRANT
from support.site import Served

_ATTEMPT = 40.0
_PAUSE = 0.2
"""Seconds between a failure and the next try, so that a starting server gets a core."""


class Storm:
    """Machines that send each request to a random server of ``sites``. The ``seed`` makes a storm repeatable."""

    def __init__(self, seed: int, sites: Sequence[Served], machines: int = 32) -> None:
        self.dice = random.Random(seed)
        self.ledger = Ledger()
        self._machines = [f"{self.dice.getrandbits(128):032x}" for _ in range(machines)]
        self._machines = ["-".join((u[:8], u[8:12], u[12:16], u[16:20], u[20:])) for u in self._machines]
        self._addresses = [address_of(site.url) for site in sites]
        self._admin_sockets = [Address(str(site.folder / "data/admin.sock"), 0) for site in sites]
        self._waiting: asyncio.Queue[Life]
        self._blowing = True
        for site in sites:
            for uuid in self._machines:
                (site.machines / f"{uuid}.yaml").write_bytes(config_of(uuid))

    @contextmanager
    def blowing(self, calm: float = 90.0) -> Iterator[Ledger]:
        """Run the storm during the block. Then no machine boots again, and each must finish within ``calm`` seconds."""
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._blow())
            except BaseException as error:  # noqa: BLE001  (raised in the main thread)
                failed.append(error)
                self.ledger.fail(f"the storm itself failed: {error!r}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield self.ledger
        finally:
            self._blowing = False
            thread.join(1.0 if self.ledger.wrong else calm)
        if failed:
            raise failed[0]
        assert not self.ledger.wrong, self.ledger.wrong[:5]
        assert not thread.is_alive(), f"some machines have not finished within {calm:.0f} s: {self._unfinished()}"

    def _unfinished(self) -> list[Life]:
        return [life for life in self.ledger.lives if not life.ended and not life.configs][:5]

    async def _blow(self) -> None:
        self._waiting = asyncio.Queue()
        people = [asyncio.create_task(self._decide()) for _ in range(4)]
        try:
            await asyncio.gather(*(self._machine(uuid) for uuid in self._machines))
            # A machine may get its answer before the person gets theirs.
            while any(life.decided and not life.confirmed for life in self.ledger.lives) and not self.ledger.wrong:
                await asyncio.sleep(_PAUSE)
        finally:
            for person in people:
                person.cancel()

    async def _machine(self, uuid: str) -> None:
        while self._blowing:
            life, device_code = await self._ask(uuid)
            self.ledger.began(life)
            self._waiting.put_nowait(life)
            token = await self._poll(life, device_code)
            if token:
                await self._fetch(life, token)

    async def _ask(self, uuid: str) -> tuple[Life, str]:
        while True:
            answer = await self._send("ask", post("/device/code", {"client_id": "talos", "uuid": uuid}))
            if answer is not None and answer.status == 200:
                codes = json.loads(answer.body)
                return Life(uuid, codes["user_code"]), codes["device_code"]
            if answer is not None and answer.status != 503:
                self.ledger.fail(f"/device/code answers {answer.status}: {answer.body[:200]!r}")
            await asyncio.sleep(_PAUSE)

    async def _poll(self, life: Life, device_code: str) -> str:
        """Return the token, or nothing for a refused machine. Half of the polls come in pairs, as Talos sends them."""
        form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": device_code}
        while True:
            twice = 1 + (self.dice.random() < 0.5)
            answers = await asyncio.gather(*(self._send("token", post("/token", form)) for _ in range(twice)))
            for answer in answers:
                if answer is not None:
                    self._hear(life, answer)
            if life.tokens or life.ended:
                return next(iter(life.tokens), "")
            await asyncio.sleep(_PAUSE)

    def _hear(self, life: Life, answer: Answer) -> None:
        try:
            members = json.loads(answer.body)
        except ValueError:
            self.ledger.fail(f"/token answers {answer.status} without JSON: {answer.body[:100]!r}")
            return
        if "access_token" in members:
            self.ledger.token(life, members["access_token"])
        elif members["error"] not in ("authorization_pending", "slow_down"):
            self.ledger.end(life, members["error"])

    async def _fetch(self, life: Life, token: str) -> None:
        head = f"GET /config?uuid={life.uuid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}"
        while True:
            answer = await self._send("config", f"{head}\r\n\r\n".encode())
            if answer is not None and answer.status == 200:
                self.ledger.config(life, answer.body)
                return
            if answer is not None and answer.status != 503:
                self.ledger.fail(
                    f"/config answers the token of {life.user_code} with {answer.status}: {answer.body[:40]!r}"
                )
                return
            await asyncio.sleep(_PAUSE)

    async def _decide(self) -> None:
        """Act as a person: decide about waiting machines, and try again until the decision is confirmed."""
        while True:
            life = await self._waiting.get()
            life.decided = "deny" if self.dice.random() < 0.1 else "approve"
            request = post_json(f"/api/v1/{life.decided}", {"code": life.user_code})
            while not life.confirmed:
                answer = await self._send(life.decided, request, self.dice.choice(self._admin_sockets))
                if answer is not None and (answer.status == 200 or is_repeated(answer)):
                    life.confirmed = True
                elif answer is not None and answer.status != 503:
                    self.ledger.fail(
                        f"/api/v1/{life.decided} answers {answer.status} for {life.user_code}: {answer.body[:200]!r}"
                    )
                    break
                else:
                    await asyncio.sleep(_PAUSE)

    async def _send(self, kind: str, request: bytes, to: Address | None = None) -> Answer | None:
        """Return the answer, or None if no complete one arrived."""
        address = to if to is not None else self.dice.choice(self._addresses)
        try:
            answer = await exchange(address, request, time.monotonic() + _ATTEMPT)
        except ExchangeFailed:
            self.ledger.answered(f"{kind} broken")
            return None
        self.ledger.answered(f"{kind} {answer.status}")
        return answer


def is_repeated(answer: Answer) -> bool:
    """Return whether the decision took effect before: its answer was lost."""
    return answer.status == 409 and json.loads(answer.body)["error"] == "already_decided"


def address_of(url: str) -> Address:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return Address(parts.hostname, parts.port)


def post(path: str, form: Mapping[str, str]) -> bytes:
    return _request(path, "application/x-www-form-urlencoded", urlencode(form))


def post_json(path: str, members: Mapping[str, str]) -> bytes:
    return _request(path, "application/json", json.dumps(members))


def _request(path: str, kind: str, body: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n{body}".encode()
