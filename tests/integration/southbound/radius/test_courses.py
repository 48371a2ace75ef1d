"""Sessions and bars begin and end in any order: a barred SIM's packets do not pass, those of an open SIM do."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds
from tests.support.world import imsi

from simwarden.domain.errors import NothingToChange
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import Function
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.southbound.radius.codec import Packet

    Answer = tuple[Code, list[bytes]]
    Answers = Callable[[Packet], Answer | None]

STEPS = 24
FILTERS = "?barred-filter=barred&open-filter=internet"


class Course:
    """Random steps at one NAS, and what they must lead to."""

    def __init__(self, mobile: Mobile, chance: random.Random) -> None:
        self._mobile = mobile
        self._chance = chance
        self._number = 0
        mobile.nas._on_disconnect = self._unsteady(mobile.nas._on_disconnect, Code.DISCONNECT_NAK)
        mobile.nas._on_change = self._unsteady(mobile.nas._on_change, Code.COA_NAK)

    def _unsteady(self, usual: Answers, refusal: Code) -> Answers:
        """Now and then the answer is lost, or the request, or the NAS is out of something."""

        def answer(packet: Packet) -> Answer | None:
            what = self._chance.choices(("answers", "answer lost", "deaf", "refuses"), (12, 2, 2, 1))[0]
            if what == "deaf":
                return None
            if what == "refuses":
                return refusal, [codec.integer(Attribute.ERROR_CAUSE, 506)]
            found = usual(packet)
            return None if what == "answer lost" else found

        return answer

    async def step(self) -> None:
        """One thing happens."""
        live = sorted(self._mobile.nas.live)
        steps = ["start", "start", "close", "open", "ask home", "ask elsewhere", "on"]
        what = self._chance.choice(steps + ["stop", "course", "forget"] * bool(live))
        print(what)  # what led there, when it fails
        match what:
            case "start":
                self._number += 1
                await self._mobile.tell(AccountingStatus.START, f"S{self._number}", self._chance.choice((HOME, OTHER)))
            case "stop":
                await self._mobile.tell(AccountingStatus.STOP, self._chance.choice(live), None)
            case "course":
                await self._mobile.tell(AccountingStatus.INTERIM, self._chance.choice(live), None, seconds() + 1)
            case "forget":  # the NAS lost a session, and its Stop was lost
                self._mobile.nas.live.discard(self._chance.choice(live))
            case "on":
                self._mobile.nas.live.clear()
                await self._mobile.nas.account(AccountingStatus.ON, at=seconds())
            case "close" | "open":
                state = FunctionState.CLOSED if what == "close" else FunctionState.OPEN
                with contextlib.suppress(NothingToChange):
                    await self._mobile.world.do(1, SetFunctions(state, int(Function.DATA)))
            case _:
                device = HOME if what == "ask home" else OTHER
                await self._mobile.nas.access(imsi(1), imei=full_imei(device) + "1", at=seconds())

    async def is_as_it_should_be(self) -> bool:
        """Whether the NAS lets packets pass, or none, as is decided; and whether the engine knows."""
        sim = await self._mobile.world.sim(1)
        nas, barred = self._mobile.nas, bool(sim.functions_off & Function.DATA)
        passing = {key for key in nas.live if nas.filters.get(key) != "barred"}
        if (passing if barred else nas.live - passing) & set(await self._mobile.live()):
            return False
        return all(not item.is_open for item in (await self._mobile.world.attached(1)).values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("filters", ["", FILTERS])
async def test_whatever_comes_the_network_follows(mobile: Mobile, seed: int, filters: str) -> None:
    world = mobile.world
    await world.db.execute("update gateway set command_url = command_url || $1", filters)
    await world.start_enforcement(driver_for=mobile.driver_for)
    course = Course(mobile, random.Random(f"{seed}{filters}"))
    for _ in range(STEPS):
        await course.step()
        if course._chance.random() < 0.6:
            await world.eventually(course.is_as_it_should_be)
    await world.eventually(course.is_as_it_should_be)
