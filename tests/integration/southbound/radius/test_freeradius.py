"""FreeRADIUS, a program that we did not write: between gateway and Simwarden, and as the NAS that ends sessions."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds
from tests.support.nas import SECRET
from tests.support.patience import PATIENCE
from tests.support.world import imsi

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.session import Octets
from simwarden.domain.sim import Function
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.store import sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

FREERADIUS, RADCLIENT = shutil.which("freeradius", path="/usr/sbin:/usr/bin"), shutil.which("radclient")
pytestmark = pytest.mark.skipif(
    FREERADIUS is None or RADCLIENT is None,
    reason="Debian's packages freeradius and freeradius-utils are not installed",
)
DEPLOYED = Path(__file__).parents[4] / "deploy" / "freeradius"
GATEWAY = "secret of the gateway"
SESSION = """User-Name = "8613715266978"
User-Password = "x"
NAS-IP-Address = 127.0.0.1
Called-Station-Id = "iot.example"
Calling-Station-Id = "8613715266978"
Acct-Session-Id = "0A0B0C0D00000001"
Framed-IP-Address = 10.45.0.7
3GPP-IMSI = "{imsi}"
3GPP-IMEISV = "{imei}1"
3GPP-RAT-Type = EUTRAN
3GPP-User-Location-Info = 0x8264f000123464f00000012345
"""
NAS = """name = nas
logdir = {logs}
run_dir = {logs}
libdir = /usr/lib/freeradius
log {{
	destination = stdout
}}
thread pool {{
	start_servers = 1
	max_servers = 2
	min_spare_servers = 1
	max_spare_servers = 2
}}
client simwarden {{
	ipaddr = 127.0.0.1
	secret = {secret}
}}
modules {{
	always ok {{
		rcode = ok
	}}
	always reject {{
		rcode = reject
	}}
}}
server nas {{
	listen {{
		type = coa
		ipaddr = 127.0.0.1
		port = {port}
	}}
	recv-coa {{
		if ("%{{Packet-Type}}" == "CoA-Request" && &Filter-Id != "{filter}") {{
			update reply {{
				&Error-Cause := Unsupported-Attribute
			}}
			reject
		}}
		elsif (&3GPP-IMSI == "{imsi}" && &Acct-Session-Id == "S1" && &Event-Timestamp && &Message-Authenticator) {{
			ok
		}}
		else {{
			update reply {{
				&Error-Cause := Session-Context-Not-Found
			}}
			reject
		}}
	}}
	send-coa {{
		ok
	}}
}}
"""


@contextlib.asynccontextmanager
async def freeradius(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[list[str]]:
    """Run FreeRADIUS with the configuration in `folder`; what it says is in the list."""
    assert FREERADIUS is not None
    process = await asyncio.create_subprocess_exec(
        *(FREERADIUS, "-f", "-X", "-d", str(folder)),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said: list[str] = []
    ready = asyncio.Event()

    async def listen() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said.append(line.decode(errors="replace").rstrip())
            if "Ready to process requests" in said[-1]:
                ready.set()
        ready.set()

    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(ready.wait(), PATIENCE)
        assert any("Ready to process" in line for line in said), "\n".join(said[-30:])
        yield said
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await listening


@contextlib.asynccontextmanager
async def in_front(mobile: Mobile, tmp_path: Path) -> AsyncIterator[tuple[int, int]]:
    """The documented configuration between a gateway and Simwarden: its ports for access and for accounting."""
    ports = free_port(), free_port()
    environment = {
        "SIMWARDEN_RADIUS_LOGS": str(tmp_path),
        "GATEWAY_ADDRESS": "127.0.0.1",
        "GATEWAY_SECRET": GATEWAY,
        "LISTEN_ADDRESS": "127.0.0.1",
        "LISTEN_ACCESS_PORT": str(ports[0]),
        "LISTEN_ACCOUNTING_PORT": str(ports[1]),
        "SIMWARDEN_ADDRESS": "127.0.0.1",
        "SIMWARDEN_ACCESS_PORT": str(mobile.source.access_receiver.address[1]),
        "SIMWARDEN_ACCOUNTING_PORT": str(mobile.source.receiver.address[1]),
        "SIMWARDEN_SECRET": SECRET.decode(),
    }
    async with freeradius(DEPLOYED, environment):
        yield ports


async def radclient(folder: Path, port: int, what: str, text: str, *, tries: int = 12, wait: int = 5) -> str:
    """Send one packet as a gateway; returns what radclient said, the answer's attributes with it."""
    file = folder / "packet.txt"
    file.write_text(text)
    assert RADCLIENT is not None
    process = await asyncio.create_subprocess_exec(
        *(RADCLIENT, "-x", "-r", str(tries), "-t", str(wait), "-f", str(file), f"127.0.0.1:{port}", what, GATEWAY),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode()


async def test_a_gateway_behind_freeradius_is_admitted_refused_and_accounted(mobile: Mobile, tmp_path: Path) -> None:
    proof = "Message-Authenticator = 0x00\n"
    right, wrong = (SESSION.format(imsi=imsi(1), imei=full_imei(device)) for device in (HOME, OTHER))
    async with in_front(mobile, tmp_path) as (access_port, accounting_port):
        accepted = await radclient(tmp_path, access_port, "auth", right + proof)
        assert "Received Access-Accept" in accepted
        answer = accepted.split("Received Access-Accept")[1]
        assert "Class = 0x" in answer
        assert "Message-Authenticator" in answer
        refused = await radclient(tmp_path, access_port, "auth", wrong + proof)
        assert "Received Access-Reject" in refused
        assert 'Reply-Message = "IMEI_MISMATCH"' in refused
        assert "Received Access-Accept" in await radclient(tmp_path, access_port, "auth", right + proof)

        class_ = next(line.strip() for line in answer.splitlines() if "Class" in line)
        start = f"Acct-Status-Type = Start\nEvent-Timestamp = {seconds()}\n{class_}\n"
        assert "Received Accounting-Response" in await radclient(tmp_path, accounting_port, "acct", right + start)
        octets = "Acct-Output-Octets = 5\nAcct-Output-Gigawords = 2\n"
        interim = f"Acct-Status-Type = Interim-Update\nEvent-Timestamp = {seconds() + 1}\n{octets}"
        assert "Received Accounting-Response" in await radclient(tmp_path, accounting_port, "acct", right + interim)
    found = await sessions.newest_of_sim(mobile.world.db, await mobile.world.sim(1))
    assert found is not None
    assert (found.key, found.apn, found.rat, found.ipv4) == ("0A0B0C0D00000001", "iot.example", "EUTRA", "10.45.0.7")
    assert Octets(found.up, found.down) == Octets(0, 2 * 2**32 + 5)
    assert found.decision is not None


async def test_freeradius_drops_what_is_not_proved(mobile: Mobile, tmp_path: Path) -> None:
    """The gateway's own Message-Authenticator is looked at there, and nowhere behind it."""
    bare = SESSION.format(imsi=imsi(1), imei=full_imei(HOME))
    async with in_front(mobile, tmp_path) as (access_port, _):
        assert "No reply" in await radclient(tmp_path, access_port, "auth", bare, tries=1, wait=2)
    assert mobile.counted["accepted", "access"] == 0


async def test_freeradius_as_a_nas_ends_the_session_of_a_stolen_card(mobile: Mobile, tmp_path: Path) -> None:
    world, port = mobile.world, free_port()
    text = NAS.format(logs=tmp_path, secret=SECRET.decode(), port=port, imsi=imsi(1), filter="barred")
    (tmp_path / "radiusd.conf").write_text(text)
    await world.db.execute("update gateway set command_url = $1", f"radius://127.0.0.1:{port}")
    async with freeradius(tmp_path, {}) as said:
        await mobile.tell(AccountingStatus.START, "S1", OTHER)
        await mobile.tell(AccountingStatus.START, "S2", OTHER)  # which FreeRADIUS does not know: gone already
        await world.start_enforcement(driver_for=mobile.driver_for)
        await world.eventually(lambda: world.enforced(1))
        await world.stop_enforcement()
    assert await mobile.live() == []
    assert sum("Sent Disconnect-ACK" in line for line in said) >= 1
    assert sum("Sent Disconnect-NAK" in line for line in said) >= 1


async def test_freeradius_as_a_nas_filters_the_session_of_a_barred_card(mobile: Mobile, tmp_path: Path) -> None:
    world, port = mobile.world, free_port()
    text = NAS.format(logs=tmp_path, secret=SECRET.decode(), port=port, imsi=imsi(1), filter="barred")
    (tmp_path / "radiusd.conf").write_text(text)
    url = f"radius://127.0.0.1:{port}?barred-filter=barred&open-filter=unknown"
    await world.db.execute("update gateway set command_url = $1", url)
    async with freeradius(tmp_path, {}) as said:
        await mobile.tell(AccountingStatus.START, "S1", HOME)
        await mobile.tell(AccountingStatus.START, "S2", HOME)  # which FreeRADIUS does not know: gone already
        await world.start_enforcement(driver_for=mobile.driver_for)
        await world.do(1, SetFunctions(FunctionState.CLOSED, int(Function.DATA)))
        await world.eventually(lambda: world.enforced(1))
        assert await mobile.live() == ["S1"]
        await world.do(
            1, SetFunctions(FunctionState.OPEN, int(Function.DATA))
        )  # FreeRADIUS refuses the other filter: the session is ended
        await world.eventually(lambda: world.enforced(1))
        await world.stop_enforcement()
    assert await mobile.live() == []
    assert sum("Sent CoA-ACK" in line for line in said) >= 1
    assert sum("Sent CoA-NAK" in line for line in said) >= 2
    assert sum("Sent Disconnect-ACK" in line for line in said) >= 1
