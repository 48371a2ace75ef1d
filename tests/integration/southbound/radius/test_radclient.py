"""Accounting sent by FreeRADIUS' radclient, a program that we did not write."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds
from tests.support.nas import SECRET
from tests.support.world import imsi

from simwarden.domain.identifiers import full_imei

if TYPE_CHECKING:
    from pathlib import Path

RADCLIENT = shutil.which("radclient")
pytestmark = pytest.mark.skipif(RADCLIENT is None, reason="Debian's package freeradius-utils is not installed")

PACKET = """Packet-Type = Accounting-Request
Acct-Status-Type = {status}
Acct-Session-Id = "0A0B0C0D00000001"
Acct-Multi-Session-Id = "0A0B0C0D"
Acct-Authentic = RADIUS
Acct-Session-Time = {lasted}
Acct-Input-Octets = 1073741824
Acct-Input-Gigawords = 1
Event-Timestamp = {at}
User-Name = "8613715266978"
NAS-IP-Address = 127.0.0.1
NAS-Identifier = "pgw1"
Framed-IP-Address = 10.45.0.7
Called-Station-Id = "iot.apn"
Calling-Station-Id = "8613715266978"
Class = 0xdeadbeef
3GPP-IMSI = "{imsi}"
3GPP-Charging-ID = 305419896
3GPP-SGSN-MCC-MNC = "46000"
3GPP-IMEISV = "{imei}1"
3GPP-RAT-Type = EUTRAN
3GPP-User-Location-Info = 0x8264f000123464f00000012345
"""
"""What a packet gateway sends (TS 29.061 16.4.4)."""


async def radclient(
    mobile: Mobile, folder: Path, text: str, tries: str = "12", secret: str = SECRET.decode()
) -> tuple[int, str]:
    """Send one packet, every five seconds while no answer comes; returns how radclient ended and what it said."""
    file = folder / "packet.txt"
    file.write_text(text)
    host, port = mobile.source.receiver.address
    assert RADCLIENT is not None
    process = await asyncio.create_subprocess_exec(
        *(RADCLIENT, "-x", "-r", tries, "-t", "5", "-f", str(file), f"{host}:{port}", "acct", secret),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_session_as_radclient_tells_it(mobile: Mobile, tmp_path: Path) -> None:
    began = seconds() - 600

    def packet(status: str, imei: str, lasted: int) -> str:
        return PACKET.format(status=status, at=began + lasted, lasted=lasted, imsi=imsi(1), imei=full_imei(imei))

    for status, lasted, live in (("Start", 0, 1), ("Interim-Update", 300, 1), ("Stop", 400, 0)):
        code, output = await radclient(mobile, tmp_path, packet(status, OTHER, lasted))
        assert code == 0, output
        assert "Received Accounting-Response" in output
        assert len(await mobile.live()) == live
        assert await mobile.world.barred(1)
    code, output = await radclient(mobile, tmp_path, packet("Start", HOME, 500))
    assert code == 0, output
    assert not await mobile.world.barred(1)


async def test_radclient_takes_no_answer_where_the_secret_is_another(mobile: Mobile, tmp_path: Path) -> None:
    text = PACKET.format(status="Start", at=seconds(), lasted=0, imsi=imsi(1), imei=full_imei(OTHER))
    code, _ = await radclient(mobile, tmp_path, text, "1", "another secret")
    assert code != 0
    assert mobile.counted["forged", ""] >= 1
    assert not await mobile.world.barred(1)
