"""Records of a few meters: a gateway and a message centre of the harness's own tell of them until acknowledged."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.faults import record_model
from tests.faults.control import NOT_NOW
from tests.faults.house import House, Key
from tests.faults.record_model import Told
from tests.support.smsc import MessageCentre

from simwarden.demo.processes import StepFailed
from simwarden.southbound.smpp.codec import CommandStatus, ShortMessage

if TYPE_CHECKING:
    import asyncpg
    from tests.faults.model import Complaint

    from simwarden.store.vault import Vault

METERS = {f"46000088000000{n}": f"+861380088000{n}" for n in range(1, 5)}
"""IMSI to phone number; each in a port of its own."""
PEERS = {"+85512345001": "KH", "+85512345002": "KH", "+4915112345003": "DE", "+12125550104": "US", "10086": "CN"}
CALLERS = {"+4915112349999": "DE"}
"""Who calls; nobody calls back."""
RULES = {"much": ("smsReceived", 12), "wide": ("receivers", 4)}
WINDOW = "7d"
STEP = 7 * 86_400 // 12
JUMP = 7300
"""So far the server's clock may be off."""
TRIES = 90.0


class Records:
    """What was told in this house so far, and what of it was acknowledged."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.begun = time.time()
        self.told: list[Told] = []
        self.inbound: dict[str, str] = {}
        """Texts that were acknowledged, to IMSI;"""
        self.by_centre: set[str] = set()
        """those of them that the message centre handed over."""
        self.ended: dict[str, str] = {}
        self.readings: dict[str, list[int]] = {imsi: [] for imsi in METERS}
        self._sequence: Counter[int] = Counter()
        self._task = 0
        self.token = self.lane = self.call_lane = ""
        self.app = ""

    async def begin(self) -> None:
        """Register the meters, who tells of them, who is told, and the rules."""
        house, command = self.house, self.house._processes.command
        listing = house.directory / "meters.csv"
        listing.write_text("imsi,msisdn\n" + "".join(f"{imsi},{number}\n" for imsi, number in METERS.items()))
        await command("sim", "import", "--account", "ACME", str(listing))
        made = await command("gateway", "add", "--name", "ledger")
        self.token = made["reportUrl"].rpartition("/")[2]
        house.centre = MessageCentre()
        await house.centre.__aenter__()
        url = f"smpp://127.0.0.1:{house.centre.port}"
        await command(
            *("gateway", "add", "--name", "centre", "--kind", "smpp", "--command-url", url),
            *("--username", "meters", "--password", "s3cret"),
        )
        for name, (signal, count) in RULES.items():
            await command(
                "rule", "add", name, "--account", "ACME", "--when", f"{signal}:{count}", "--in", WINDOW, "--alert"
            )
        await self._subscribe()
        for imsi in METERS:
            await self._read(imsi, 100)
        await asyncio.wait_for(house.centre.until_bound(), 60)

    async def _subscribe(self) -> None:
        app = await self.house._processes.command(
            "app", "create", "--account", "ACME", "--name", "texts", "--scopes", "all"
        )
        self.app, key = app["appKey"], Key(app["appKey"], app["appSecret"])
        lanes = []
        for path, kind, detail in (
            (
                "/short-message-subscriptions/vwip",
                "org.camaraproject.short-message-subscriptions.v0.sms-received",
                {"allDevices": True},
            ),
            (
                "/record-subscriptions/v0.1",
                "org.simwarden.record-subscriptions.v0.call-ended",
                {"allDevices": True, "content": True},
            ),
        ):
            body = {
                "protocol": "HTTP",
                "sink": f"http://127.0.0.1:{self.house.sinks[0].port}/",
                "types": [kind],
                "config": {"subscriptionDetail": detail},
            }
            reply = await self.house.call("POST", f"{path}/subscriptions", body, key)
            if reply.status != 201:
                raise StepFailed(f"No subscription: {reply.status} {reply.body}")
            lanes.append(reply.body["id"])
        self.lane, self.call_lane = lanes

    async def play(self, chance: random.Random, seconds: float, prefix: str) -> None:
        """A round's records: messages at once, calls and readings of each meter in order."""
        async with asyncio.TaskGroup() as group:
            for number in range(chance.randint(6, 12)):
                imsi, text = chance.choice(sorted(METERS)), f"r-{prefix}-{number}"
                peer = chance.choice(sorted(PEERS))
                direction = "inbound" if chance.random() < 0.7 else "outbound"
                at = chance.uniform(0, seconds)
                group.create_task(self._message(at, Told(imsi, direction, peer, PEERS[peer], text=text)))
            for number in range(chance.randint(1, 4)):
                text, imsi = f"c-{prefix}-{number}", chance.choice(sorted(METERS))
                group.create_task(self._deliver(chance.uniform(0, seconds), imsi, text))
            for number in range(chance.randint(2, 4)):
                call = Told(
                    *(chance.choice(sorted(METERS)), "inbound", *chance.choice(sorted(CALLERS.items()))),
                    call=f"{prefix}-{number}",
                )
                stages = self._stages(chance, call)
                group.create_task(self._call(chance.uniform(0, seconds), stages))
            for imsi in METERS:
                steps = [chance.randint(0, 9) for _ in range(chance.randint(1, 3))]
                falls = not self.house.shape.faked_clock and chance.random() < 0.3
                group.create_task(self._use(imsi, steps, falls=falls))

    def _stages(self, chance: random.Random, call: Told) -> list[Told]:
        """What is told of a call, in any order and some of it twice; the end is told in any case."""
        begin = int(time.time()) - 100
        answer = begin + 5 if chance.random() < 0.8 else 0
        end = begin + chance.randint(6, 60)
        fields = [(0, 0), (answer, 0), (answer, end), (answer, end)]
        chance.shuffle(fields)
        return [
            Told(call.imsi, call.direction, call.peer, call.country, call=f"{call.call}/{begin}", answer=a, end=e)
            for a, e in fields
        ]

    async def _message(self, at: float, told: Told) -> None:
        await asyncio.sleep(at)
        is_in = told.direction == "inbound"
        if is_in:
            content = base64.b64encode(told.text.encode()).decode()
            row = [0, self._port(told.imsi), int(time.time()), told.peer, "", content, "", told.imsi, ""]
            await self._post({"type": "recv-sms", "sms_num": 1, "sms": [row]})
            self.inbound[told.text] = told.imsi
        else:
            self._task += 1
            await self._post(
                {
                    "type": "sent-sms",
                    "mac": "00-30-f1-00-00-99",
                    "sim_src": "0",
                    "port": self._port(told.imsi),
                    "seq": 1,
                }
                | {"sms_tid": self._task, "src_type": 2, "src_ip": "", "src_port": 0, "status": "0 OK", "dur": 330}
                | {"time": int(time.time()), "recver": told.peer, "smsc": "", "charset": "UTF-8", "data": told.text}
            )
        self.told.append(told)

    async def _call(self, at: float, stages: list[Told]) -> None:
        await asyncio.sleep(at)
        for one in stages:
            begin = int(one.call.rpartition("/")[2])
            await self._post(
                self._slot(one.imsi)
                | {"type": "cdr", "mac": "00-30-f1-00-00-99", "ip": "127.0.0.1", "sip_usr": "", "cid": one.call}
                | {"cdir": "MO", "caller": one.peer, "callee": METERS[one.imsi], "begin": begin, "alert": one.answer}
                | {"answer": one.answer, "update": 0, "end": one.end, "reason": "201 Caller Hangup" if one.end else ""}
            )
            self.told.append(one)
            if one.end:
                self.ended[one.call] = one.peer

    async def _use(self, imsi: str, steps: list[int], *, falls: bool) -> None:
        for number, step in enumerate(steps):
            before = self.readings[imsi][-1]
            shown = step if falls and number == 0 else before + step
            # A worker that had this very number before another one had the slot sees no change in it until the slot is
            # compared anyway, every quarter of an hour (decision 0041): each number is shown once.
            while shown != before and shown in self.readings[imsi]:
                shown += 1
            await self._read(imsi, shown)

    async def _read(self, imsi: str, shown: int) -> None:
        every = {f"smsctl_{span}": f"{shown}/-1" for span in ("tot", "mon", "day")}
        await self._post(self._slot(imsi) | {"type": "port-status"} | every)
        self.readings[imsi].append(shown)

    def _port(self, imsi: str) -> str:
        return f"{int(imsi[-1])}.01"

    def _slot(self, imsi: str) -> dict[str, Any]:
        port = int(imsi[-1])
        self._sequence[port] += 1
        name = {"port": self._port(imsi), "seq": self._sequence[port], "st": 3, "imei": f"35368953070800{port}"}
        return name | {"imsi": imsi, "iccid": "", "opr": "46000 CHINA MOBILE", "sig": 20, "sn": ""}

    async def _post(self, report: dict[str, Any]) -> None:
        """Again until it is acknowledged, as a gateway does."""
        house, deadline = self.house, time.monotonic() + TRIES
        timeout = aiohttp.ClientTimeout(total=4)
        while time.monotonic() < deadline:
            with contextlib.suppress(*NOT_NOW):
                url = house.report_url(self.token)
                async with house.session.post(url, data=json.dumps(report), timeout=timeout) as answer:
                    if answer.status == 200:
                        return
                    if answer.status != 503:
                        raise AssertionError(f"a report was answered {answer.status}: {await answer.text()}")
            await asyncio.sleep(0.1)
        raise AssertionError(f"the report {report} was not acknowledged in {TRIES} s")

    async def _deliver(self, at: float, imsi: str, text: str) -> None:
        """By the message centre: again on another connection when one breaks before it is answered."""
        await asyncio.sleep(at)
        message = ShortMessage(source="4915112345003", destination=METERS[imsi][1:], message=text.encode())
        assert self.house.centre is not None
        async with asyncio.timeout(TRIES):
            while True:
                if await self.house.centre.delivered_or_cut(message) == CommandStatus.OK:
                    break
                await asyncio.sleep(0.1)
        self.told.append(Told(imsi, "inbound", "+4915112345003", "DE", text=text))
        self.inbound[text] = imsi
        self.by_centre.add(text)

    async def check(self, db: asyncpg.Connection, vault: Vault, received: list[dict[str, Any]]) -> list[Complaint]:
        """Compare what is stored and was told with all that was acknowledged."""
        imsis = list(METERS)
        async with db.transaction(isolation="repeatable_read", readonly=True):
            counted = await db.fetch(
                """select imsi, kind, direction, zone, sum(count)::int as count, sum(seconds)::int as seconds
                   from traffic_day where imsi = any ($1) group by 1, 2, 3, 4""",
                imsis,
            )
            used = await db.fetch(
                "select imsi, sum(messages)::int as n from counter_day where imsi = any ($1) group by 1", imsis
            )
            fires = await db.fetch("select imsi, data from event where type = 'RULE_FIRED' and imsi = any ($1)", imsis)
            rows = await db.fetch("select id, imsi, sealed from short_message where imsi = any ($1) order by n", imsis)
            taken = [(row["imsi"], row["id"], opened(vault, row)) for row in rows]
        twice = Counter(text for _, _, text in taken)
        told = list(self.told)
        for text in self.by_centre:  # the network has no ids for these: each that was taken in counts
            told += [
                Told(self.inbound[text], "inbound", "+4915112345003", "DE", text=f"{text}/{n}")
                for n in range(1, twice[text])
            ]
        found = record_model.check_days(
            told,
            [((r["imsi"], r["kind"], r["direction"], r["zone"]), r["count"], r["seconds"]) for r in counted],
        )
        found += record_model.check_use(self.readings, {row["imsi"]: row["n"] for row in used})
        fired = Counter((json.loads(row["data"])["rule"], row["imsi"]) for row in fires)
        limits = {name: count for name, (_, count) in RULES.items()}
        steps = int(time.time() + JUMP) // STEP - int(self.begun - JUMP) // STEP
        found += record_model.check_rules(self._counted(told), fired, limits, 1 + steps)
        found += record_model.check_handed_on(self.inbound, self.by_centre, taken, received, self.lane)
        found += record_model.check_calls_told(self.ended, received, self.call_lane)
        return found

    def _counted(self, told: list[Told]) -> dict[tuple[str, str], int]:
        texts: dict[str, set[str]] = defaultdict(set)
        peers: dict[str, set[str]] = defaultdict(set)
        for one in told:
            if one.text and one.direction == "inbound":
                texts[one.imsi].add(one.text)
            if one.direction == "outbound":
                peers[one.imsi].add(one.peer)
        much = {("much", imsi): len(texts[imsi]) for imsi in METERS}
        return much | {("wide", imsi): len(peers[imsi]) for imsi in METERS}


def opened(vault: Vault, row: asyncpg.Record) -> str:
    """The text of a message that a customer has."""
    found = json.loads(vault.open(row["sealed"], f"short-message:{row['id']}"))
    return str(found.get("text") or "")
