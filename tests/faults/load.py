"""The known load of a round: cards carried about, customers calling, messages with a number of their own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from tests.faults.control import BINDINGS, CALLS, NOT_NOW, READS, SWITCHES, Control, Many, draw_many
from tests.faults.model import Card, Move
from tests.faults.records import Records

if TYPE_CHECKING:
    from tests.faults.house import House

__all__ = ["NOT_NOW", "Load", "Step"]


class Step(msgspec.Struct, frozen=True):
    """Something to be done at a moment of the round, seconds after its beginning."""

    at: float
    imsi: str
    what: str
    gateway: str = ""
    slot: str = ""
    app: int = 0
    once: bool = False
    work: Many | None = None


class Load:
    """Everything that was done in this house so far, and what of it was acknowledged."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.control = Control(house)
        self.records = Records(house)
        self.devices: dict[tuple[str, int], str] = {}
        self.start: dict[str, str] = {}
        self.now: dict[str, str] = {}
        self.moves: dict[str, list[Move]] = {}
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    async def begin(self) -> None:
        """Remember where everything is at first."""
        for imsi, card in (await self.house.cards()).items():
            self.devices[card["gateway"], int(card["slot"].partition(".")[0])] = card["imei"]
            self.start[imsi] = card["imei"]
            self.moves[imsi] = []
        await self.records.begin()

    async def look(self) -> None:
        """Remember in which devices the cards are, while all is quiet."""
        self.now = {imsi: card["imei"] for imsi, card in (await self.house.cards()).items()}

    def plan(self, chance: random.Random, seconds: float) -> list[Step]:
        """What is to happen in a round. Who is called about does not move meanwhile."""
        imsis = sorted(self.start)
        chosen = chance.sample(imsis, 10)
        called, switched, living, bulky = chosen[:2], chosen[2:4], chosen[4:7], chosen[7:]
        half = len(self.house.drawer) // 2
        own = random.Random(chance.random())  # what is done to many depends on what was done before; the rest does not
        steps = []
        for _ in range(chance.randint(5, 14)):
            imsi = chance.choice([one for one in imsis if one not in called])
            gateway, slot = chance.choice(sorted(self.devices))
            target = (gateway, f"{slot}.0{chance.randint(1, 2)}")
            if chance.random() < 0.45:
                target = self.house.home[imsi]
            steps.append(Step(chance.uniform(0, seconds), imsi, "move", *target))
        for imsi in called:
            steps += [
                self._call_of(chance, seconds, imsi, [*BINDINGS, "bind", "card bind"])
                for _ in range(chance.randint(0, 2))
            ]
        for imsi in switched:
            steps += [self._call_of(chance, seconds, imsi, SWITCHES) for _ in range(chance.randint(1, 4))]
        steps += [
            Step(chance.uniform(0, seconds), imsi, chance.choice(sorted(READS)), app=chance.randint(0, 1))
            for imsi in chance.choices(imsis, k=6)
        ]
        lists = {"life": [*living, *self.house.drawer[:half]], "bulk": [*bulky, *self.house.drawer[half:]]}
        for who, theirs in lists.items():  # one piece of work behind the other, so that a death meets one
            for number in range(own.choice([0, 1, 2, 2, 3])):
                app = own.randint(0, 1) if who == "life" else None
                work = draw_many(self.house, own, theirs, app)
                steps.append(Step(number * 0.01, f"{who}-{number}", "many", work=work))
        steps += [Step(chance.uniform(0, seconds), imsi, "message") for imsi in chance.choices(imsis, k=20)]
        return sorted(steps, key=lambda step: step.at)

    @staticmethod
    def _call_of(chance: random.Random, seconds: float, imsi: str, names: list[str]) -> Step:
        at, what, once = chance.uniform(0, seconds), chance.choice(names), chance.random() < 0.5
        return Step(at, imsi, what, app=chance.randint(0, 1), once=once)

    async def play(self, steps: list[Step], prefix: str) -> None:
        """Do it, each kind in order; returns when every call and message is acknowledged."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._in_order([s for s in steps if s.what == "move"], begun, prefix))
            for imsi in sorted({step.imsi for step in steps if step.what in CALLS}):
                mine = [s for s in steps if s.imsi == imsi and s.what in CALLS]
                group.create_task(self._in_order(mine, begun, f"{prefix}-{imsi}"))
            works = [s for s in steps if s.what == "many"]
            if any(step.work is not None and step.work.by_filter for step in works):
                group.create_task(self._in_order(works, begun, prefix))  # they are about the same SIMs
            else:
                for who in ("life", "bulk"):
                    mine = [step for step in works if step.imsi.startswith(who)]
                    group.create_task(self._in_order(mine, begun, prefix))
            for step in (s for s in steps if s.what in READS):
                group.create_task(self._in_order([step], begun, prefix))
            for number, step in enumerate(s for s in steps if s.what == "message"):
                group.create_task(self._in_order([step], begun, f"{prefix}-{number}"))

    async def _in_order(self, steps: list[Step], begun: float, prefix: str) -> None:
        for number, step in enumerate(steps):
            await asyncio.sleep(max(step.at - (time.monotonic() - begun), 0))
            if step.what == "move":
                await self._move(step)
            elif step.what == "message":
                await self._message(prefix)
            elif step.work is not None:
                await self.control.many(step.work, f"{prefix}-{step.imsi}")
            elif step.what in READS:
                await self.control.read(step.what, step.imsi, step.app)
            else:
                name = f"{prefix}-{number}"
                await self.control.call(step.what, step.imsi, self.now[step.imsi], step.app, name, once=step.once)

    async def _move(self, step: Step) -> None:
        port, _, slot = step.slot.partition(".")
        with contextlib.suppress(*NOT_NOW):  # an occupied slot, or a gateway process that was just killed
            made = await self.house.steer("/move", imsi=step.imsi, gateway=step.gateway, port=int(port), slot=int(slot))
            card = Card(step.gateway, step.slot, self.devices[step.gateway, int(port)])
            self.moves[step.imsi].append(Move(step.imsi, card, made.get("moved_ns") or time.time_ns()))

    async def _message(self, text: str) -> None:
        """Send a short message's report, as a gateway does: again until it is acknowledged."""
        house = self.house
        token = house.tokens[sorted(house.tokens)[hash_of(text) % len(house.tokens)]]
        row = [0, "1.01", int(time.time()), "10086", "", base64.b64encode(text.encode()).decode()]
        body = json.dumps({"type": "recv-sms", "sms_num": 1, "sms": [row]})
        self.sent.add(text)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(*NOT_NOW):
                async with house.session.post(
                    house.report_url(token), data=body, timeout=aiohttp.ClientTimeout(total=4)
                ) as answer:
                    if answer.status == 200:
                        self.acknowledged.add(text)
                        return
                    if answer.status != 503:
                        raise AssertionError(f"a report was answered {answer.status}: {await answer.text()}")
            await asyncio.sleep(0.1)
        raise AssertionError(f"the report {text} was not acknowledged within a minute")


def hash_of(text: str) -> int:
    """The same number for the same text in every run."""
    return sum(text.encode())
