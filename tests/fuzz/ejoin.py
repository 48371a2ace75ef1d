"""Ejoin bodies: every message type and variant, mutated, through the receiver into the database."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

from tests.fuzz.bench import Request, drive
from tests.fuzz.mutate import Mutator

from simwarden.accounts.applications import open_account
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.identity import make_sim
from simwarden.simulator.messages import Form
from simwarden.simulator.slot_addresses import SlotAddress

if TYPE_CHECKING:
    from tests.fuzz.bench import Bench

SIMS = 16
IMSI_BASE = 460000990000000
TYPES = [
    "application/json",
    "application/json;charset=utf-8",
    "application/json; charset=gbk",
    "text/plain",
    "",
    "x\x00y",
]
TEXT = b'Sender: 8613715266978\r\nReceiver: "12.01" 16465550100\r\nSMSC: 86138\r\nSCTS: 19012517101923\r\n\r\nhello'


def samples() -> list[Any]:
    """Golden messages: what the virtual gateways send, and forms that only the documents show."""
    gateway = VirtualGateway("gw1", ports=4, slots=4, counters=True)
    for number in range(SIMS):
        gateway.insert(make_sim(IMSI_BASE, number), number % 4 + 1, number // 4 + 1)
    gateway.lock([SlotAddress(2, 1)])
    gateway.remove(3, 1)
    found: list[Any] = []
    forms: tuple[Form, ...] = ("v2", "v3")
    for form in forms:
        found += [gateway.port_status(SlotAddress(1, 1), form), gateway.port_status(SlotAddress(2, 1), form)]
        found += [gateway.dev_status(form), gateway.dev_status(form, all_slots=False)]
        found.append(
            gateway.received_sms(SlotAddress(1, 2), sender="10086", text="Hello 你好", at=1_700_000_000, form=form)
        )
        found.append(gateway.sent_sms(SlotAddress(1, 2), tid=7, to="10086", text="out", at=1_700_000_000, form=form))
    for end in (0, 1_700_000_060):
        times = (1_700_000_000, 1_700_000_003, end)
        found.append(gateway.cdr(SlotAddress(4, 4), cid="abc.1", other="10010", times=times))
    report = base64.b64encode(b"\x01\x02\x0b").decode()
    row = [1, "1.02", 1_700_000_000, "10086", "16465550100", base64.b64encode(TEXT).decode()]
    found += [
        {"type": "recv-sms", "sms_num": 2, "sms": [row, [1, "2.01.sp128.016", 1_700_000_000, "1", "2", report]]},
        {"type": "port-status", "port": "2B", "seq": 1, "status": "3 OK", "bal": "100.00", "imei": "353689530707903"},
        {"type": "keepalive", "mac": "00-30-f1-00-6d-b1"},
        {"type": "something-new", "value": 1},
        [gateway.port_status(SlotAddress(1, 1)), gateway.port_status(SlotAddress(1, 2))],
    ]
    return found


class Ejoin:
    """Cases by number: the same seed and number, the same body."""

    def __init__(self, bench: Bench, seed: int, token: str) -> None:
        self._bench = bench
        self._seed = seed
        self._token = token
        self._samples = samples()

    @classmethod
    async def prepare(cls, bench: Bench, seed: int) -> Ejoin:
        """Register SIMs, half of them bound, and a gateway."""
        account = await open_account(bench.house.accounts, f"fuzz-{seed}")
        cause = Cause(CauseKind.OPERATOR, "fuzz", now_utc())
        for number in range(SIMS):
            card = make_sim(IMSI_BASE, number)
            sim = provision.new_sim(account.id, imsi=card.imsi, iccid=card.iccid, msisdn=f"+{card.msisdn}")
            await provision.add(bench.db, sim, cause, imei="353689530707903" if number % 2 else None)
        _, token = await bench.house.gateways.add("gw1", kind="ejoin", command_url=None, username=None, password=None)
        return cls(bench, seed, token)

    def make(self, number: int) -> Request:
        """One request."""
        chance = random.Random(f"{self._seed}:ejoin:{number}")
        mutator = Mutator(chance)
        path = f"/southbound/ejoin/{self._token}"
        headers = [("content-type", TYPES[0] if chance.random() < 0.8 else chance.choice(TYPES))]
        if chance.random() < 0.02:
            path += "?sender=" + mutator.text("10086") + "&port=" + chance.choice(["1.02", "2B", "x", ""])
            return Request("POST", path.encode("utf-8", "replace").decode("latin-1"), mutator.bytes(TEXT), headers)
        return Request("POST", path, mutator.body(chance.choice(self._samples)), headers)

    async def run(self, count: int, *, quiet: bool = False) -> None:
        """Everything. Raises Finding."""
        await drive("ejoin", count, 250, self.make, self._bench.batch, self._bench.check_memory, quiet=quiet)
