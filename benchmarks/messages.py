"""From a message that a SIM received to its customer's sink; messages to and from a message centre by SMPP."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from tests.support.smsc import MessageCentre

from benchmarks import machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.demo.world import until
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Sim
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.sending import NewMessage, Sending, SendingLimits
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.southbound.smpp.codec import CommandStatus, ShortMessage
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

API = "short-message-subscriptions"
WINDOW = 100
"""Messages that the message centre has under way to us."""
AT_ONCE = 32
"""Messages that are queued together."""


async def subscribe(world: Bench) -> None:
    """The sink waits for messages to all SIMs of the account."""
    body = {
        "protocol": "HTTP",
        "sink": world.sink,
        "types": [f"org.camaraproject.{API}.v0.sms-received"],
        "config": {"subscriptionDetail": {"allDevices": True}},
    }
    await world.call(f"/{API}/vwip/subscriptions", body, 201)


async def to_sink(world: Bench, count: int) -> list[float]:
    """Milliseconds from a gateway's report of a received message to the event at the sink, one after the other.

    Cards of gw1 (slot 1) receive in turns.
    """
    cards = [str(IMSI_BASE + number) for number in range(32)]
    await until(partial(_all_seen, world, cards), "all cards are seen", 60)
    took = []
    for number in range(count):
        port, text = number % 32 + 1, f"measured {time.time_ns()}"
        await world.steer("/gateways/gw1/receive-sms", port=port, slot=1, sender="+4915112345678", text=text)
        told = await until(partial(_told, world, text), "the sink is told")
        reports = (await world.look("/gateways/gw1/reports?limit=50"))["reports"]
        mine = [r for r in reports if "sms" in r["type"] and f"{port}.01" in r["slots"] and r["sent_ns"] < told]
        took.append((told - max(r["sent_ns"] for r in mine)) / 1e6)
        await asyncio.sleep(0.01)
    return took


async def _told(world: Bench, text: str) -> int | None:
    event = next((each for each in await world.sink_events() if text in str(each["body"])), None)
    return None if event is None else int(event["received_ns"])


async def _all_seen(world: Bench, cards: list[str]) -> bool:
    async with world.database() as db:
        seen = await db.fetchval("select count(*) from sim where imsi = any($1) and seen_imei is not null", cards)
    return bool(seen == len(cards))


class _Centre(MessageCentre):
    """Notes when what came and was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[float] = []
        self.free = asyncio.Semaphore(WINDOW)

    def _take(self, pdu: Any, writer: Any) -> None:
        before = len(self.submitted), len(self.answers)
        super()._take(pdu, writer)
        if len(self.submitted) > before[0]:
            self.taken.append(time.perf_counter())
        if len(self.answers) > before[1]:
            self.free.release()


async def smpp(world: Bench, sims: int, count: int) -> None:
    """Messages/s from a message centre (stored before they are answered) and to it, by one connection."""
    async with _Centre() as centre:
        async with world.database() as db:
            vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
            url = f"smpp://127.0.0.1:{centre.port}"
            await Gateways(db, vault).add("smsc", kind="smpp", command_url=url, username="bench", password="bench")
        await centre.until_bound()
        took = await _deliver(centre, sims, count)
        assert set(centre.answers.values()) == {CommandStatus.OK}
        async with world.database() as db:
            stored = await db.fetchval("select count(*) from short_message")
        assert stored >= count, f"{stored} of {count} messages are stored"
        print(
            f"deliver_sm, {count:,} messages, {WINDOW} under way: {count / took:,.0f}/s stored and answered", flush=True
        )
        # A backlog first, made while nothing sends: else the queueing would be measured.
        database = EmbeddedPostgres(world.directory / "data")
        database.acquire()
        world.server.terminate()
        await world.server.wait()
        await _queue(world, vault, sims, count)
        world.server = await world.start_server()
        database.release()
        await until(partial(_sent, centre, count), "all messages are at the message centre", 300)
        rate = (count - 1) / (centre.taken[count - 1] - centre.taken[0])
        print(f"submit_sm, a backlog of {count:,} messages: {rate:,.0f}/s", flush=True)
        memory = machine.memory_of(world.server.pid)
        print(f"Memory of the server's Python processes afterwards: {memory['python']:.0f} MiB (PSS)", flush=True)


async def _deliver(centre: _Centre, sims: int, count: int) -> float:
    """Hand over messages to SIMs; returns the seconds until the last answer."""
    began = time.perf_counter()
    for number in range(count):
        await centre.free.acquire()
        to = f"8690{number % sims:010}"
        centre.deliver(ShortMessage(source="4915112345678", destination=to, message=b"reading %d" % number))
    for _ in range(WINDOW):
        await centre.free.acquire()
    return time.perf_counter() - began


async def _queue(world: Bench, vault: Vault, sims: int, count: int) -> None:
    async with world.database() as db:
        account = await db.fetchval("select id from account where name = 'bench'")
        app_key = await db.fetchval("select app_key from application where name = 'bench'")
        limits = SendingLimits(messages_waiting_per_account=2 * count, messages_per_account_and_minute=2 * count)
        sending = Sending(db, vault, IdempotencyStore(db), [], ["smpp"], limits=limits)
        turns = asyncio.Semaphore(AT_ONCE)

        async def queue(number: int) -> None:
            imsi = str(IMSI_BASE + number % sims)
            sim = Sim(bucket=bucket_of(imsi), imsi=imsi, account_id=account, msisdn=f"+8690{number % sims:010}")
            new = NewMessage(sim=sim, app_key=app_key, to=(f"+49151{number:08}",), text=f"set {number}")
            async with turns:
                await sending.submit(new)

        await asyncio.gather(*(queue(number) for number in range(count)))


async def _sent(centre: _Centre, count: int) -> bool:
    return len(centre.taken) >= count
