"""The known load of a round: cards carried about, customers calling, messages with a number of their own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from tests.faults.house import fraud
from tests.faults.model import Card, Move

from simwarden.demo.processes import StepFailed

if TYPE_CHECKING:
    import random

    from tests.faults.house import House

NOT_NOW = (aiohttp.ClientError, TimeoutError, OSError, StepFailed, ValueError)
"""What may happen to the harness's own requests while things are broken."""


class Step(msgspec.Struct, frozen=True):
    """Something to be done at a moment of the round, seconds after its beginning."""

    at: float
    imsi: str
    what: str
    gateway: str = ""
    slot: str = ""


class Load:
    """Everything that was done in this house so far, and what of it was acknowledged."""

    def __init__(self, house: House) -> None:
        self.house = house
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

    async def look(self) -> None:
        """Remember in which devices the cards are, while all is quiet."""
        self.now = {imsi: card["imei"] for imsi, card in (await self.house.cards()).items()}

    def plan(self, chance: random.Random, seconds: float) -> list[Step]:
        """What is to happen in a round. Who is called about does not move meanwhile."""
        imsis = sorted(self.start)
        called = chance.sample(imsis, 2)
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
                Step(chance.uniform(0, seconds), imsi, chance.choice(["bind", "bind", "unbind"]))
                for _ in range(chance.randint(0, 2))
            ]
        steps += [Step(chance.uniform(0, seconds), imsi, "message") for imsi in chance.choices(imsis, k=20)]
        return sorted(steps, key=lambda step: step.at)

    async def play(self, steps: list[Step], prefix: str) -> None:
        """Do it, each kind in order; returns when every call and message is acknowledged."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._in_order([s for s in steps if s.what == "move"], begun, prefix))
            for imsi in {step.imsi for step in steps if step.what in ("bind", "unbind")}:
                mine = [s for s in steps if s.imsi == imsi and s.what in ("bind", "unbind")]
                group.create_task(self._in_order(mine, begun, prefix))
            for number, step in enumerate(s for s in steps if s.what == "message"):
                group.create_task(self._in_order([step], begun, f"{prefix}-{number}"))

    async def _in_order(self, steps: list[Step], begun: float, prefix: str) -> None:
        for step in steps:
            await asyncio.sleep(max(step.at - (time.monotonic() - begun), 0))
            if step.what == "move":
                await self._move(step)
            elif step.what == "message":
                await self._message(prefix)
            else:
                await self._call(step)

    async def _move(self, step: Step) -> None:
        port, _, slot = step.slot.partition(".")
        with contextlib.suppress(*NOT_NOW):  # an occupied slot, or a gateway process that was just killed
            made = await self.house.steer("/move", imsi=step.imsi, gateway=step.gateway, port=int(port), slot=int(slot))
            card = Card(step.gateway, step.slot, self.devices[step.gateway, int(port)])
            self.moves[step.imsi].append(Move(step.imsi, card, made.get("moved_ns") or time.time_ns()))

    async def _call(self, step: Step) -> None:
        """Repeat a customer's call until it is answered; the SIM does not move meanwhile."""
        house = self.house
        kind = "bindType" if step.what == "bind" else "unBindType"
        body = {"device": {"phoneNumber": house.phones[step.imsi]}, kind: "IMEIBIND"}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(*NOT_NOW):
                status, answer = await house.call(fraud(step.what), body)
                if status == 200 or (status == 422 and step.what == "unbind"):
                    house.bound[step.imsi] = self.now[step.imsi] if step.what == "bind" else None
                    return
                if status not in (401, 429, 503):
                    raise AssertionError(f"{step.what} answered {status}: {answer}")
            await asyncio.sleep(0.1)
        raise AssertionError(f"{step.what} of {step.imsi} was not answered within a minute")

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
