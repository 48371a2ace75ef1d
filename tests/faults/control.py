"""The customers and the operator of a round: single calls, and work on many SIMs that goes on behind their answers."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from tests.faults.model import FUNCTIONS, Act, Intent

from simwarden.demo.processes import StepFailed

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.faults.house import House, Key, Reply

NOT_NOW = (aiohttp.ClientError, TimeoutError, OSError, StepFailed, ValueError)
"""What may happen to the harness's own requests while things are broken."""
PATIENCE = 60.0
"""Seconds within which a call must be answered, however often it is repeated."""
WORK = 120.0
"""Seconds within which work on many SIMs must end."""
AGAIN = (401, 429, 503)
LIFE = "/iot-device-management/vwip"
OPERATIONS = "/manage/v1/operations"
NOBODY = "460000000000000"
"""No SIM has this IMSI."""


class Call(msgspec.Struct, frozen=True):
    """One of the calls that a customer can make about a SIM."""

    act: Act
    api: str
    operation: str
    path: str
    body: dict[str, Any]


def _calls() -> dict[str, Call]:
    found = {}
    for verb, kind in (("bind", "bindType"), ("unbind", "unBindType")):
        api, name = "iot-sim-fraud-prevention", {"bind": "bindDeviceImei", "unbind": "unBindDeviceImei"}[verb]
        found[verb] = Call(Act(verb), api, name, f"/{api}/v0.1/{verb}", {kind: "IMEIBIND"})
        api = "device-card-binding-mgmt"
        found[f"card {verb}"] = Call(Act(verb), api, f"{verb}DeviceCard", f"/{api}/v1/{verb}", {"bindType": "IMEIBIND"})
    for function in FUNCTIONS:
        for verb, word in (("close", "deactivate"), ("open", "activate")):
            act = Act(verb, frozenset({function}))
            api = "device-communication-function"
            found[f"{word} {function}"] = Call(
                *(act, api, f"{word}-communication-function", f"/{api}/vwip/{word}", {"functionType": function})
            )
            api = "device-communication-function-mgmt"
            body = {"busiType": function.lower(), "action": verb}
            found[f"manage {verb} {function}"] = Call(
                act, api, "manageCommunicationFunction", f"/{api}/v1/manage", body
            )
    return found


CALLS = _calls()
BINDINGS = [name for name, call in CALLS.items() if call.act.verb in ("bind", "unbind")]
SWITCHES = [name for name, call in CALLS.items() if call.act.verb in ("open", "close")]
READS = {
    "query": ("iot-sim-fraud-prevention", "/v0.1/query", {"queryType": "IMEIBIND"}),
    "retrieveCommunicationFunctions": ("device-communication-function", "/vwip/retrieve", {}),
}


class Many(msgspec.Struct, frozen=True):
    """Work on many SIMs: by a customer (`app`) through IoT Device Management, or by the operator in bulk."""

    act: Act
    imsis: tuple[str, ...]
    app: int | None = None
    by_filter: bool = False
    """In bulk: the drawer, by a filter; else `imsis`, by a list."""


def draw_many(house: House, chance: random.Random, imsis: Sequence[str], app: int | None) -> Many:
    """Something for most of these SIMs, often what most of them can do."""
    chosen = tuple(chance.sample(list(imsis), k=max(2, len(imsis) * chance.randint(6, 10) // 10)))
    lives = Counter(house.should[imsi].lifecycle for imsi in chosen)
    usual = {"ACTIVE": ["suspend", "deactivate"], "SUSPENDED": ["restore", "deactivate"], "DEACTIVATED": ["activate"]}
    verbs = usual[lives.most_common(1)[0][0]] + [chance.choice(["suspend", "restore", "activate"])]
    if app is None and chance.random() < 0.6:
        functions = frozenset(chance.sample(sorted(FUNCTIONS), k=chance.randint(1, 3)))
        return Many(Act(chance.choice(["open", "close", "close"]), functions), chosen, by_filter=chance.random() < 0.4)
    return Many(Act(chance.choice(verbs)), chosen, app, by_filter=app is None and chance.random() < 0.4)


class Control:
    """What was asked for in this house so far, and what was acknowledged."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.intents: dict[str, Intent] = {}
        self.read_sent: Counter[str] = Counter()
        self.read_answered: Counter[str] = Counter()
        self.works: list[tuple[float, float]] = []
        """When work on many SIMs began and when it was seen to have ended."""

    @property
    def interrupted(self) -> int:
        """How often somebody was killed while work on many SIMs was going on."""
        return sum(any(begun < death < ended for death in self.house.deaths) for begun, ended in self.works)

    def _intend(self, name: str, key: Key | None, api: str, operation: str, imsis: Sequence[str]) -> Intent:
        fresh = Intent("" if key is None else key.app_key, api, operation, frozenset(imsis))
        return self.intents.setdefault(name, fresh)

    async def call(self, what: str, imsi: str, imei: str, app: int, name: str, *, once: bool) -> None:
        """Repeat a customer's call until it is answered. `once`: always as the same call.

        With several workers it is always the same: a call of which nobody waits for the answer any more may otherwise
        be carried out behind the next one, by a worker that slept meanwhile.
        """
        house, call, key = self.house, CALLS[what], self.house.apps[app]
        once = once or house.shape.workers > 1
        body = {"device": {"phoneNumber": house.phones[imsi]}, **call.body}
        before = house.should[imsi]
        after = call.act.to(before, imei)
        deadline, attempt = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            attempt += 1
            own = name if once else f"{name}-{attempt}"
            intent = self._intend(own, key, call.api, call.operation, [imsi])
            with contextlib.suppress(*NOT_NOW):
                reply = await house.call("POST", call.path, body, key, own, once=once)
                if reply.status not in AGAIN:
                    # CAMARA's bind answers alike whether it binds or keeps the device that was named.
                    changed = self._changed(what, reply) and not (what == "bind" and before.named)
                    if changed != (after is not None) and (once or attempt == 1):
                        raise AssertionError(f"{what} of {imsi}, which is {before}, answered {reply.body}")
                    intent.done = frozenset({imsi}) if changed else frozenset()
                    house.should[imsi] = after or before
                    return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{what} of {imsi} was not answered within a minute")

    @staticmethod
    def _changed(what: str, reply: Reply) -> bool:
        """Whether the answer says that something was changed, or that it was so already."""
        code = reply.body.get("code", "") if isinstance(reply.body, dict) else ""
        if reply.status == 200:
            return bool(code != "NO_CHANGE")
        if reply.status == 422 and code.startswith("UNNECESSARY"):
            return False
        raise AssertionError(f"{what} answered {reply.status}: {reply.body}")

    async def read(self, what: str, imsi: str, app: int) -> None:
        """Ask once; an answer is not needed."""
        api, path, body = READS[what]
        self.read_sent[what] += 1
        with contextlib.suppress(*NOT_NOW):
            device = {"device": {"phoneNumber": self.house.phones[imsi]}}
            reply = await self.house.call("POST", f"/{api}{path}", body | device, self.house.apps[app])
            self.read_answered[what] += reply.status == 200

    async def many(self, work: Many, name: str) -> None:
        """Have it done, and compare what is said to have become of each SIM with the model."""
        if work.app is None:
            await self._bulk(work, name)
        else:
            await self._life(work, self.house.apps[work.app], name)

    async def _until(self, what: str, ask: Any, wanted: Any, patience: float = WORK, pause: float = 0.1) -> Reply:
        """Ask until the answer is one that is waited for."""
        deadline = time.monotonic() + patience
        last: Any = None
        while time.monotonic() < deadline:
            with contextlib.suppress(*NOT_NOW):
                last = reply = await ask()
                if reply.status not in AGAIN and wanted(reply):
                    found: Reply = reply
                    return found
            await asyncio.sleep(pause)
        raise AssertionError(f"{what} did not come to its end: {last}")

    def _take_over(self, act: Act, imsis: Sequence[str]) -> frozenset[str]:
        """Change the model; returns the SIMs that change."""
        should = self.house.should
        behind = {imsi: act.to(should[imsi]) for imsi in imsis}
        should.update({imsi: new for imsi, new in behind.items() if new is not None})
        return frozenset(imsi for imsi, new in behind.items() if new is not None)

    # -- a customer, through IoT Device Management -----------------------------------------------------------------

    async def _life(self, work: Many, key: Key, name: str) -> None:
        house, verb = self.house, work.act.verb
        intent = self._intend(name, key, "iot-device-management", f"{verb}Devices", work.imsis)
        body = {"devices": [{"imsi": imsi} for imsi in (*work.imsis, NOBODY)]}

        async def ask() -> Reply:
            return await house.call("POST", f"{LIFE}/{verb}", body, key, name, once=True)

        accepted = await self._until(f"{verb} {name}", ask, _expect(202), PATIENCE)
        intent.unknown = 1
        path = f"{LIFE}/operations/{accepted.body['operationId']}"

        async def look() -> Reply:
            return await house.call("GET", path, None, key)

        begun = time.monotonic()
        # Asked seldom: while customers call, work on many gives way to them.
        ended = await self._until(name, look, lambda reply: _expect(200)(reply) and _ended(reply), pause=0.6)
        self.works.append((begun, time.monotonic()))
        told = {item["device"]["imsi"]: item for item in ended.body["results"]}
        for imsi in work.imsis:
            done, error = work.act.to(house.should[imsi]) is not None, told[imsi].get("error", {}).get("code")
            if (told[imsi]["status"], error) != (("SUCCEEDED", None) if done else ("FAILED", "INCOMPATIBLE_STATE")):
                raise AssertionError(f"{name}: {verb} of {imsi}, which is {house.should[imsi]}: {told[imsi]}")
        if told[NOBODY].get("error", {}).get("code") != "IDENTIFIER_NOT_FOUND" or len(told) != len(body["devices"]):
            raise AssertionError(f"{name}: {len(told)} results, {told[NOBODY]}")
        intent.done = self._take_over(work.act, work.imsis)

    # -- the operator, in bulk -------------------------------------------------------------------------------------

    async def _bulk(self, work: Many, name: str) -> None:
        """Preview, confirm, wait, fetch the result; all over when the preview was too old to be confirmed."""
        house = self.house
        imsis = tuple(house.drawer) if work.by_filter else work.imsis
        wanted = {imsi: work.act.verdict(house.should[imsi]) for imsi in imsis}
        for turn in range(5):
            if await self._previewed(work, imsis, wanted, f"{name}-{turn}"):
                return
        raise AssertionError(f"{name} was never confirmed in time")

    async def _previewed(self, work: Many, imsis: Sequence[str], wanted: dict[str, str], name: str) -> bool:
        house, key = self.house, self.house.operator
        body: dict[str, Any] = {"action": work.act.verb}
        if work.act.functions:
            body["functions"] = sorted(work.act.functions)
        body |= {"filter": {"text": house.drawer[0][:8]}} if work.by_filter else {"csv": "\n".join(["imsi", *imsis])}
        attempts = 0

        async def ask() -> Reply:
            nonlocal attempts
            attempts += 1
            intent = self._intend(f"{name}-{attempts}", None, "manage", "previewBulk", imsis)
            intent.done = frozenset()  # until it is confirmed; one whose answer was lost never is
            return await house.call("POST", "/manage/v1/bulk", body, key, f"{name}-{attempts}")

        begun = await self._until(f"bulk {name}", ask, _expect(202), PATIENCE)
        intent, path = self.intents[f"{name}-{attempts}"], f"{OPERATIONS}/{begun.body['id']}"

        async def look() -> Reply:
            return await house.call("GET", path, None, key)

        ready = await self._until(name, look, lambda reply: _expect(200)(reply) and reply.body["state"] != "PREVIEWING")
        if ready.body["state"] == "EXPIRED":  # the clock was ahead meanwhile
            return False
        self._counts(name, ready, wanted, "requested")
        intent.done = None
        token = {"confirmToken": ready.body["confirmToken"]}

        async def confirm() -> Reply:
            return await house.call("POST", f"{path}/confirm", token, key, f"{name}-confirm")

        await self._until(f"confirm {name}", confirm, _expect(202, 409), PATIENCE)
        confirmed = time.monotonic()
        ended = await self._until(name, look, lambda reply: _expect(200)(reply) and reply.body["state"] != "RUNNING")
        self.works.append((confirmed, time.monotonic()))
        if ended.body["state"] == "EXPIRED":
            intent.done = frozenset()
            return False
        if ended.body["state"] != "COMPLETED":
            raise AssertionError(f"{name} came to {ended.body}")
        self._counts(name, ended, wanted, "done")

        async def fetch() -> Reply:
            return await house.call("GET", f"{path}/result", None, key)

        result = await self._until(f"result of {name}", fetch, _expect(200), PATIENCE)
        told = [(row["imsi"], row["status"]) for row in csv.DictReader(result.body.splitlines())]
        if sorted(told) != sorted(wanted.items()):
            wrong = sorted({*told} ^ {*wanted.items()})
            raise AssertionError(f"{name} ({work.act}) told {len(told)} results, wrong are {wrong}")
        intent.done = self._take_over(work.act, imsis)
        return True

    @staticmethod
    def _counts(name: str, reply: Reply, wanted: dict[str, str], done_as: str) -> None:
        counts = Counter(wanted.values())
        model = {"total": len(wanted), "requested": 0, "done": 0, "unchanged": counts["UNCHANGED"]}
        model |= {"refused": counts["REFUSED"], done_as: counts["DONE"]}
        if reply.body["counts"] != model:
            raise AssertionError(f"{name} counts {reply.body['counts']}, should be {model}")


def _expect(*statuses: int) -> Any:
    """Whether an answer is one of these; any other is a failure."""

    def check(reply: Reply) -> bool:
        if reply.status not in statuses:
            raise AssertionError(f"answered {reply.status}: {reply.body}")
        return True

    return check


def _ended(reply: Reply) -> bool:
    return bool(reply.body["status"] != "ACCEPTED")
