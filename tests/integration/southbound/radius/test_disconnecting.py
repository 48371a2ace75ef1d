"""From a bar to a session that its NAS ended, and back, on a real database and real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile
from tests.support.nas import TestNas
from tests.support.world import device, imsi

from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.sim import Function
from simwarden.engine.explain import explain
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code

if TYPE_CHECKING:
    from simwarden.southbound.radius.codec import Packet

START, STOP, INTERIM = AccountingStatus.START, AccountingStatus.STOP, AccountingStatus.INTERIM


async def test_a_stolen_card_loses_its_session_and_works_again_at_home(mobile: Mobile) -> None:
    world = mobile.world
    await mobile.tell(START, "S1", HOME)
    await world.start_enforcement(driver_for=mobile.driver_for)
    await mobile.tell(STOP, "S1", HOME)
    await mobile.tell(START, "S2", OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert [packet.text(Attribute.ACCT_SESSION_ID) for packet in mobile.nas.disconnects] == ["S2"]
    assert mobile.nas.live == set()
    assert await mobile.live() == []
    assert await world.db.fetchval("select presumed from session where key = 'S2'")
    assert await world.barred(1)
    told = await world.types(1)
    assert told.index(EventType.ENFORCEMENT_COMMANDED) < told.index(EventType.ENFORCEMENT_APPLIED)
    why = await explain(world.db, world.gateways, await world.sim(1))
    assert [step.cause["message"] for step in why.chain if step.type == "BAR_RAISED"] == ["accounting-start"]
    assert [step.data["target"] for step in why.chain if step.type == "ENFORCEMENT_APPLIED"] == [imsi(1)]
    assert [(place.gateway, place.target, place.status) for place in why.places] == [("pgw-1", imsi(1), "APPLIED")]
    await mobile.tell(STOP, "S2", OTHER)  # as a NAS does after it ended one
    assert not await world.db.fetchval("select presumed from session where key = 'S2'")

    await mobile.tell(START, "S3", HOME)
    assert not await world.barred(1)
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == {"S3"}
    assert len({packet.raw for packet in mobile.nas.disconnects}) == 1


async def test_a_device_that_comes_back_at_once_is_disconnected_again(mobile: Mobile) -> None:
    world = mobile.world
    await world.start_enforcement(driver_for=mobile.driver_for)
    for number in range(3):
        await mobile.tell(START, f"S{number}", OTHER)
        await world.eventually(lambda: world.enforced(1))
        assert mobile.nas.live == set()


async def test_all_sessions_of_a_sim_are_ended(mobile: Mobile) -> None:
    world = mobile.world
    for number in range(3):
        await mobile.tell(START, f"S{number}", OTHER)
    await world.start_enforcement(driver_for=mobile.driver_for)
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == set()


async def test_a_session_that_the_nas_does_not_know_is_gone(mobile: Mobile) -> None:
    world = mobile.world
    await mobile.tell(START, "S1", OTHER)
    mobile.nas.live.clear()  # its Stop was lost
    await world.start_enforcement(driver_for=mobile.driver_for)
    await world.eventually(lambda: world.enforced(1))
    assert await mobile.live() == []
    await mobile.tell(INTERIM, "S1", OTHER)  # a late one
    assert await mobile.live() == []


async def test_a_refusal_fails_for_its_sim_alone(mobile: Mobile) -> None:
    world = mobile.world
    await world.card(2, imei=device(5))

    def stubborn(packet: Packet) -> tuple[Code, list[bytes]]:
        if packet.text(Attribute.ACCT_SESSION_ID) == "S1":
            return Code.DISCONNECT_NAK, [codec.integer(Attribute.ERROR_CAUSE, 504)]
        return Code.DISCONNECT_ACK, []

    mobile.nas._on_disconnect = stubborn
    await mobile.tell(START, "S1", OTHER)
    await mobile.nas.account(START, "T1", imsi=imsi(2), imei=full_imei(OTHER) + "1")
    await world.start_enforcement(driver_for=mobile.driver_for)
    await world.eventually(lambda: world.enforced(2))

    async def given_up() -> bool:
        return all(item.status is AttachmentStatus.FAILED for item in (await world.attached(1)).values())

    await world.eventually(given_up)
    failed = next(event for event in await world.events(1) if event.type is EventType.ENFORCEMENT_FAILED)
    assert failed.data["reason"] == "The NAS refused a Disconnect-Request: 504 Session Context Not Removable"
    mobile.nas._on_disconnect = TestNas()._on_disconnect
    await world.eventually(lambda: world.enforced(1))


async def test_a_nas_that_is_deaf_for_a_while_is_asked_until_it_answers(mobile: Mobile) -> None:
    world = mobile.world
    await mobile.tell(START, "S1", OTHER)
    usual = mobile.nas._on_disconnect
    mobile.nas._on_disconnect = lambda _packet: None
    await world.start_enforcement(driver_for=mobile.driver_for)

    async def unreachable() -> bool:
        return any(item.last_error and "No answer" in item.last_error for item in (await world.attached(1)).values())

    await world.eventually(unreachable)
    mobile.nas._on_disconnect = usual
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == set()


async def test_a_session_that_began_after_a_bar_is_ended_by_the_next(mobile: Mobile) -> None:
    world = mobile.world
    await mobile.tell(START, "S1", HOME)
    await world.start_enforcement(driver_for=mobile.driver_for)
    for key in ("S1", "S2", "S3"):
        await mobile.tell(START, key, HOME)
        await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
        await world.eventually(lambda: world.enforced(1))
        assert mobile.nas.live == set()
        assert await mobile.live() == []
        await world.do(1, SetFunctions(FunctionState.OPEN, int(Function.DATA)))
        await world.eventually(lambda: world.enforced(1))
