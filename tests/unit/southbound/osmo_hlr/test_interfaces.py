"""What osmo-hlr 1.5.0 prints, as it was recorded, and what it never would."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.sim import Function
from simwarden.engine.ports import CommandFailed, Registration
from simwarden.southbound.osmo_hlr import ctrl, vty
from simwarden.southbound.osmo_hlr.address import HlrAddress, check, parse
from simwarden.southbound.osmo_hlr.wire import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMSI = "460000990123698"
SHOWN = f"""
    ID: 1
    IMSI: {IMSI}
    MSISDN: 8613715266978
    IMEI: 353689530707903
    VLR number: VLR-1
    SGSN number: SGSN-1
    CS disabled
    last LU seen on CS: 2026-11-22T14:54:25+00:00 ( ago)
    last LU seen on PS: 2026-11-22T14:54:27+00:00 (2s ago)
"""
INFO = (
    f"\nid\t1\nimsi\t{IMSI}\nmsisdn\t8613715266978\nnam_cs\t1\nnam_ps\t0\nvlr_number\tVLR-1\nsgsn_number\t\n"
    "ms_purged_cs\t0\nms_purged_ps\t0\nperiodic_lu_timer\t0\nperiodic_rau_tau_timer\t0\nlmsi\t00000000"
)


def test_a_subscriber_is_read() -> None:
    found = vty.read_subscriber(SHOWN, IMSI)
    assert found is not None
    assert (found.imei, found.vlr, found.sgsn, found.off) == ("35368953070790", "VLR-1", "SGSN-1", vty.CIRCUIT)
    assert found.updated_at == datetime(2026, 11, 22, 14, 54, 27, tzinfo=UTC)


def test_a_subscriber_that_is_not_there() -> None:
    assert vty.read_subscriber(f"% No subscriber for imsi = '{IMSI}'\r\n", IMSI) is None


def test_another_subscriber_is_not_taken_for_it() -> None:
    with pytest.raises(NotUnderstood):
        vty.read_subscriber(SHOWN, "460000990123699")


@given(st.text(max_size=300))
def test_garbage_is_no_subscriber(text: str) -> None:
    with contextlib.suppress(NotUnderstood):
        vty.read_subscriber(text, IMSI)
        vty.read_subscriber(SHOWN + text, IMSI)


@pytest.mark.parametrize(
    ("off", "mode"),
    [(Function(0), "cs+ps"), (Function.DATA, "cs"), (vty.CIRCUIT, "ps"), (vty.CIRCUIT | Function.DATA, "none")],
)
def test_modes(off: Function, mode: str) -> None:
    assert vty.set_mode(IMSI, off) == f"subscriber imsi {IMSI} update network-access-mode {mode}"


def test_the_control_interface() -> None:
    assert ctrl.encode("GET 1 x") == b"\x00\x08\xee\x00GET 1 x"
    assert ctrl.read_info(INFO, IMSI) == ctrl.SubscriberAccess(Function.DATA, "VLR-1", None)
    assert ctrl.read_reply("ERROR 6 No such subscriber.") == (6, None)
    assert ctrl.read_reply(f"GET_REPLY 3 subscriber.by-imsi-{IMSI}.ps-enabled 0") == (3, "0")
    for wrong in ("", "GET_REPLY x y", "SET_REPLY 1 a b", "GET_REPLY 99999999999 a b"):
        with pytest.raises(NotUnderstood):
            ctrl.read_reply(wrong)
    for other in (INFO.replace(IMSI, "46"), INFO.replace("nam_ps\t0", "nam_ps\t7"), ""):
        with pytest.raises(NotUnderstood):
            ctrl.read_info(other, IMSI)


@given(st.text(max_size=200))
def test_garbage_is_no_reply(text: str) -> None:
    with contextlib.suppress(NotUnderstood):
        ctrl.read_reply(text)
        ctrl.read_info(text, IMSI)


def test_addresses() -> None:
    assert parse("osmo-hlr://192.0.2.20") == HlrAddress("192.0.2.20")
    assert parse("osmo-hlr://[2001:db8::1]?vty=1&ctrl=2&gsup=3") == HlrAddress("2001:db8::1", 1, 2, 3)
    wrong = ("osmo-hlr://", "radius://a", "osmo-hlr://a:1", "osmo-hlr://a?vty=0", "osmo-hlr://a?x=1", None)
    for url in (*wrong, "osmo-hlr://a?vty=x", "osmo-hlr://u@a", "osmo-hlr://a/b"):
        with pytest.raises(ValueError, match="commandUrl"):
            check(Registration(command_url=url, has_password=False, source_addresses=()))


@contextlib.asynccontextmanager
async def saying(*parts: bytes) -> AsyncIterator[int]:
    """A peer that sends this and nothing else; its port."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for part in parts:
                writer.write(part)
                await writer.drain()
            await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    "said",
    [
        b"A" * 100_000,  # no prompt ever
        b"",  # nothing at all
        b"OsmoHLR> " + b"\nOsmoHLR> " * 3,  # prompts before they are due
        b"Password: ",
        bytes(range(256)) * 20,
    ],
)
async def test_a_hostile_vty_is_an_error_in_time(said: bytes) -> None:
    async with saying(said) as port:
        with pytest.raises(CommandFailed):
            await vty.run(HlrAddress("127.0.0.1", vty=port), ["x", "y"], password=None, enable=False, seconds=0.2)


@pytest.mark.parametrize(
    "said",
    [b"\xff\xff\xee", b"", b"\x00\x04\xfe" + b"\x00" * 4, ctrl.encode("GET_REPLY 7 a b"), ctrl.encode("nonsense")],
)
async def test_a_hostile_control_interface_is_an_error_in_time(said: bytes) -> None:
    async with saying(said) as port:
        with pytest.raises(CommandFailed):
            await ctrl.accesses(HlrAddress("127.0.0.1", ctrl=port), [IMSI], seconds=0.2)
