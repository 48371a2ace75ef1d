"""From a bar to a session whose packets its NAS filters, and back, on a real database and real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds
from tests.support.world import imsi

from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import Function
from simwarden.engine.explain import explain
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code

if TYPE_CHECKING:
    from simwarden.southbound.radius.codec import Packet

START, STOP, INTERIM = AccountingStatus.START, AccountingStatus.STOP, AccountingStatus.INTERIM
CLOSE = SetFunctions(FunctionState.CLOSED, int(Function.DATA))
OPEN = SetFunctions(FunctionState.OPEN, int(Function.DATA))
FILTERS = "?barred-filter=walled%20garden&open-filter=internet"


@pytest.fixture
async def filtering(mobile: Mobile) -> Mobile:
    """The NAS is registered with its filters, and card 1 is bound to HOME, where it has a session."""
    await mobile.world.db.execute("update gateway set command_url = command_url || $1", FILTERS)
    await mobile.tell(START, "S1", HOME)
    await mobile.world.start_enforcement(driver_for=mobile.driver_for)
    return mobile


async def restriction(mobile: Mobile, key: str = "S1") -> str | None:
    found: str | None = await mobile.world.db.fetchval("select restriction from session where key = $1", key)
    return found


async def test_a_barred_card_keeps_its_session_and_works_on_in_it(filtering: Mobile) -> None:
    world = filtering.world
    await world.do(1, CLOSE)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.filters == {"S1": "walled garden"}
    assert filtering.nas.disconnects == []
    assert await filtering.live() == ["S1"]
    assert await restriction(filtering) == "IN_FORCE"
    why = await explain(world.db, world.gateways, await world.sim(1))
    assert [(place.gateway, place.target, place.status) for place in why.places] == [("pgw-1", imsi(1), "APPLIED")]
    for later in (1, 2):  # its course is no sign that the bar does not hold
        await filtering.tell(INTERIM, "S1", HOME, at=seconds() + later)
        assert await world.enforced(1)
    assert len(filtering.nas.changes) == 1

    await world.do(1, OPEN)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.filters == {"S1": "internet"}
    assert await filtering.live() == ["S1"]
    assert await restriction(filtering) is None


async def test_a_session_that_begins_all_the_same_is_filtered_too(filtering: Mobile) -> None:
    world = filtering.world
    await filtering.tell(STOP, "S1", HOME)
    await filtering.tell(START, "S2", OTHER)
    await world.eventually(lambda: world.enforced(1))
    await filtering.tell(START, "S3", OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.filters == {"S2": "walled garden", "S3": "walled garden"}
    await filtering.tell(START, "S4", HOME)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.filters == {"S2": "internet", "S3": "internet"}, "S4 was never barred"


async def test_a_session_that_cannot_be_filtered_is_ended(filtering: Mobile) -> None:
    world = filtering.world

    def refused(_packet: Packet) -> tuple[Code, list[bytes]]:
        return Code.COA_NAK, [codec.integer(Attribute.ERROR_CAUSE, 401)]

    filtering.nas._on_change = refused
    await world.do(1, CLOSE)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.live == set()
    assert await filtering.live() == []


async def test_a_session_that_cannot_be_opened_again_is_ended(filtering: Mobile) -> None:
    world = filtering.world
    await world.do(1, CLOSE)
    await world.eventually(lambda: world.enforced(1))
    await world.db.execute("update gateway set command_url = split_part(command_url, '?', 1)")  # no filters any more
    await world.do(1, OPEN)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.live == set()
    assert await filtering.live() == []


async def test_a_session_that_the_nas_does_not_know_is_gone(filtering: Mobile) -> None:
    world = filtering.world
    filtering.nas.live.clear()  # its Stop was lost
    await world.do(1, CLOSE)
    await world.eventually(lambda: world.enforced(1))
    assert await filtering.live() == []
    assert filtering.nas.disconnects == []


async def test_a_filter_whose_answer_was_lost_is_taken_away_as_well(filtering: Mobile) -> None:
    """The NAS took the request, this server did not hear of it, and the bar ended."""
    world = filtering.world
    usual = filtering.nas._on_change

    def heard_and_silent(packet: Packet) -> tuple[Code, list[bytes]] | None:
        usual(packet)
        return None

    filtering.nas._on_change = heard_and_silent
    await world.do(1, CLOSE)

    async def filtered() -> bool:
        return filtering.nas.filters == {"S1": "walled garden"}

    await world.eventually(filtered)
    assert await restriction(filtering) == "ASKED"
    filtering.nas._on_change = usual
    await world.do(1, OPEN)
    await world.eventually(lambda: world.enforced(1))
    assert filtering.nas.filters == {"S1": "internet"}
    assert await restriction(filtering) is None
