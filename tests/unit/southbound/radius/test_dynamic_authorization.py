"""Ending and filtering sessions at a NAS: what counts as done, what as refused, and what is sent again."""

from __future__ import annotations

import time

import pytest
from tests.support.nas import SECRET, TestNas

from simwarden.engine.ports import CommandFailed
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, Packet
from simwarden.southbound.radius.dynamic_authorization import DynamicAuthorizationClient, SessionGone, SessionName

ONE = SessionName("0A0B0C0D00000001", "460000990123698")


def client(nas: TestNas, secret: bytes = SECRET, timeout: float = 60.0) -> DynamicAuthorizationClient:
    return DynamicAuthorizationClient("127.0.0.1", nas.disconnect_port, secret, timeout)


def refusing(cause: int | None) -> TestNas:
    attributes = [] if cause is None else [codec.integer(Attribute.ERROR_CAUSE, cause)]
    return TestNas(on_disconnect=lambda _packet: (Code.DISCONNECT_NAK, attributes))


async def test_a_session_is_ended() -> None:
    async with TestNas() as nas:
        nas.live.add(ONE.id)
        assert await client(nas).end([ONE]) == {ONE: None}
        asked = nas.disconnects[0]
    assert nas.live == set()
    assert asked.text(Attribute.ACCT_SESSION_ID) == ONE.id
    assert asked.vendor[1].decode() == ONE.imsi
    assert asked.vendor[19] == b"\1"
    assert abs((asked.integer(Attribute.EVENT_TIMESTAMP) or 0) - time.time()) < 300
    assert Attribute.MESSAGE_AUTHENTICATOR in asked.attributes


async def test_a_session_that_the_nas_does_not_know_is_gone() -> None:
    async with refusing(503) as nas:
        assert await client(nas).end([ONE]) == {ONE: None}


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (504, "The NAS refused a Disconnect-Request: 504 Session Context Not Removable"),
        (999, "The NAS refused a Disconnect-Request: 999"),
        (None, "The NAS refused a Disconnect-Request without a cause"),
    ],
)
async def test_a_refusal_is_reported_with_its_cause(cause: int | None, text: str) -> None:
    async with refusing(cause) as nas:
        error = (await client(nas).end([ONE]))[ONE]
    assert error is not None
    assert (error.message, error.reached) == (text, True)


async def test_the_filter_of_a_session_is_changed() -> None:
    async with TestNas() as nas:
        nas.live.add(ONE.id)
        assert await client(nas).filter([ONE], "barred") == {ONE: None}
        asked = nas.changes[0]
    assert nas.filters == {ONE.id: "barred"}
    assert nas.live == {ONE.id}
    assert asked.vendor[1].decode() == ONE.imsi
    assert 19 not in asked.vendor, "3GPP-Teardown-Indicator"
    assert abs((asked.integer(Attribute.EVENT_TIMESTAMP) or 0) - time.time()) < 300
    assert Attribute.MESSAGE_AUTHENTICATOR in asked.attributes


async def test_a_session_to_be_filtered_that_the_nas_does_not_know_is_gone() -> None:
    async with TestNas() as nas:
        assert isinstance((await client(nas).filter([ONE], "barred"))[ONE], SessionGone)


async def test_a_refused_change_is_reported_with_its_cause() -> None:
    cause = [codec.integer(Attribute.ERROR_CAUSE, 401)]
    async with TestNas(on_change=lambda _packet: (Code.COA_NAK, cause)) as nas:
        nas.live.add(ONE.id)
        error = (await client(nas).filter([ONE], "barred"))[ONE]
    assert error is not None
    assert (error.message, error.reached) == ("The NAS refused a CoA-Request: 401 Unsupported Attribute", True)


async def test_a_disconnect_ack_is_no_answer_to_a_change() -> None:
    async with TestNas(on_change=lambda _packet: (Code.DISCONNECT_ACK, [])) as nas:
        nas.live.add(ONE.id)
        error = (await client(nas, timeout=0.2).filter([ONE], "barred"))[ONE]
        port = nas.disconnect_port
    assert error is not None
    assert error.message == f"No answer to a CoA-Request within 0.2 s: 127.0.0.1 port {port}"


async def test_a_request_that_was_lost_is_sent_again_octet_by_octet() -> None:
    def deaf_at_first(packet: Packet) -> tuple[Code, list[bytes]] | None:
        return None if len(nas.disconnects) < 3 else (Code.DISCONNECT_ACK, [])

    async with TestNas(on_disconnect=deaf_at_first) as nas:
        assert await client(nas).end([ONE]) == {ONE: None}
    assert len(nas.disconnects) >= 3
    assert len({packet.raw for packet in nas.disconnects}) == 1


async def test_no_answer_says_where_none_came_from() -> None:
    async with TestNas(on_disconnect=lambda _packet: None) as nas:
        error = (await client(nas, timeout=0.2).end([ONE]))[ONE]
        port = nas.disconnect_port
    assert error is not None
    assert not error.reached
    assert error.message == f"No answer to a Disconnect-Request within 0.2 s: 127.0.0.1 port {port}"


async def test_nobody_listens_there() -> None:
    async with TestNas() as nas:
        nobody = client(nas, timeout=0.2)
    error = (await nobody.end([ONE]))[ONE]
    assert error is not None
    assert not error.reached


async def test_a_name_that_cannot_be_resolved() -> None:
    with pytest.raises(CommandFailed) as failed:
        await DynamicAuthorizationClient("nas.invalid", 3799, SECRET, 1.0).end([ONE])
    assert not failed.value.reached


async def test_another_secret_answers_nothing() -> None:
    async with TestNas(b"theirs") as nas:
        nas.live.add(ONE.id)
        error = (await client(nas, timeout=0.2).end([ONE]))[ONE]
    assert error is not None
    assert (nas.live, nas.disconnects) == ({ONE.id}, [])


async def test_many_sessions_at_once_each_get_their_own_answer() -> None:
    sessions = [SessionName(f"S{number}", f"46000{number:010}") for number in range(600)]
    async with TestNas() as nas:
        nas.live.update(session.id for session in sessions[::2])
        ended = await client(nas).end(sessions)
    assert ended == dict.fromkeys(sessions)
    assert nas.live == set()


async def test_a_forged_answer_is_left_alone() -> None:
    def forged(packet: Packet) -> tuple[Code, list[bytes]] | None:
        nas.secret = b"another" if len(nas.disconnects) == 1 else SECRET
        return Code.DISCONNECT_ACK, []

    async with TestNas(on_disconnect=forged) as nas:
        # The first answer is made with another secret, and so is the look at the second request: it is sent again.
        assert (await client(nas, timeout=0.2).end([ONE]))[ONE] is not None
