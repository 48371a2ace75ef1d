"""The honest tenant at work: true reports, right calls, and a sink that takes every event."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiohttp import web
from tests.attacks.target import HOME

from simwarden.demo.processes import StepFailed
from simwarden.demo.story import FRAUD, IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.demo.world import until
from simwarden.domain.identifiers import full_imei

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Card, Target

MOVING = 20
"""SIMs that change devices, one after the other; the following ones stay where they are, and are bound."""
BOUND = 10
PATIENCE = 30.0
"""Seconds without an answer after which a call counts as not answered."""
ARRIVES = 60.0
"""Seconds after which an event that is not at the sink counts as lost."""


class Wrong(AssertionError):
    """The honest tenant was not answered as it should be, or lost an event."""


class Latencies(msgspec.Struct):
    """Milliseconds, for the benchmark."""

    reports: list[float] = []
    calls: list[float] = []
    events: list[float] = []
    """From the sending of a report until its event was at the sink."""


class Honest:
    """The honest tenant of a target. Everything it does must succeed; else it raises Wrong."""

    def __init__(self, target: Target, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._session = session
        self._tenant = target.honest
        self._due: dict[tuple[str, str], float] = {}
        """(subscription, IMEI): when the report that causes the event was sent."""
        self._taken: Counter[str] = Counter()
        """How often each event came, by its id."""
        self._order: dict[str, list[str]] = {}
        """The IMEIs of each subscription in the order in which they were reported."""
        self._came: dict[str, list[str]] = {}
        """The same, in the order in which they came."""
        self._subscriptions: dict[str, str] = {}
        """IMSI to id."""
        self._number = 0
        self._sink = ""
        self.latencies = Latencies()

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, target: Target) -> AsyncIterator[Honest]:
        """Set up: SIMs seen, bound, subscribed to. Each call has a new connection: also those must be accepted."""
        async with target.session(HOME, kept=False, seconds=PATIENCE) as session:
            honest = cls(target, session)
            app = web.Application()
            app.router.add_post("/", honest._take)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            try:
                honest._sink = f"http://127.0.0.1:{runner.addresses[0][1]}/"
                await honest._set_up()
                yield honest
            finally:
                await runner.cleanup()

    async def round(self) -> None:
        """One true report that causes an event, and one call. Raises Wrong."""
        number = self._number
        self._number += 1
        card = self._tenant.cards[number % MOVING]
        imei = full_imei(f"35{1 + number // MOVING:06}{number % MOVING:06}")
        subscription = self._subscriptions[card.imsi]
        self._order[subscription].append(imei)
        self._due[subscription, imei] = time.perf_counter()
        self.latencies.reports.append(await self._report(card, number % MOVING, imei))
        began = time.perf_counter()
        await self._call(number)
        self.latencies.calls.append((time.perf_counter() - began) * 1000)

    async def work(self, rounds: int, pause: float = 0.02) -> None:
        """So many rounds. Raises Wrong."""
        for _ in range(rounds):
            await self.round()
            await asyncio.sleep(pause)

    async def work_for(self, seconds: float, pause: float = 0.02) -> None:
        """Rounds for so long. Raises Wrong."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.work(1, pause)

    async def settle(self, patience: float = ARRIVES) -> None:
        """Wait until every event that is due has come. Raises Wrong when one is lost, doubled or out of order."""
        with contextlib.suppress(StepFailed):
            await until(self._all_came, "every event came", patience)
        missing = [key for key in self._due if key[1] not in self._came[key[0]]]
        if missing:
            raise Wrong(f"{len(missing)} of {len(self._due)} events are lost, of them {missing[:3]}")
        doubled = [event for event, count in self._taken.items() if count > 1]
        if doubled:
            raise Wrong(f"{len(doubled)} events came twice or more, of them {doubled[:3]}")
        for subscription, reported in self._order.items():
            if self._came[subscription] != reported:
                raise Wrong(f"Events of {subscription} came as {self._came[subscription]}, due were {reported}")

    async def _all_came(self) -> bool:
        return sum(map(len, self._came.values())) >= len(self._due)

    # -- what it does ----------------------------------------------------------------------------------------------

    async def _set_up(self) -> None:
        for place, card in enumerate(self._tenant.cards[: MOVING + BOUND]):
            await self._report(card, place, full_imei(f"35{0:06}{place:06}"))
        for card in self._tenant.cards[MOVING : MOVING + BOUND]:
            found = await self._ask(200, f"{FRAUD}/bind", {"device": _device(card), "bindType": "IMEIBIND"})
            _expect(found == {"bound": True}, f"bind answered {found}")
        for card in self._tenant.cards[:MOVING]:
            body = {
                "protocol": "HTTP",
                "sink": self._sink,
                "types": [IMEI_CHANGE],
                "config": {"subscriptionDetail": {"device": _device(card)}},
            }
            found = await self._ask(201, f"{SUBSCRIPTIONS}/subscriptions", body)
            self._subscriptions[card.imsi] = found["id"]
            self._order[found["id"]] = []
            self._came[found["id"]] = []

    async def _report(self, card: Card, place: int, imei: str) -> float:
        """A slot of the honest gateway shows this card and device; returns milliseconds until the answer."""
        port = {"type": "port-status", "port": f"{place + 1}.01", "st": 3, "imei": imei}
        body = port | {"imsi": card.imsi, "iccid": card.iccid}
        began = time.perf_counter()
        status, found = await self._request("POST", self._target.honest_reports, body, {})
        took = (time.perf_counter() - began) * 1000
        _expect(status == 200, f"a true report was answered {status} {found}")
        return took

    async def _call(self, number: int) -> None:
        """The next one of the calls that a customer and an operator make."""
        bound = MOVING + number % BOUND
        card = self._tenant.cards[bound]
        kind = number % 6
        if kind in (0, 1):
            found = await self._ask(200, f"{FRAUD}/query", {"device": _device(card), "queryType": "IMEIBIND"})
            should = {"imeiBind": {"bindImei": full_imei(f"35{0:06}{bound:06}"), "bindStatus": "BOUND"}}
            _expect(found == should, f"query answered {found}")
        elif kind == 2:
            found = await self._ask(200, f"{FRAUD}/bind", {"device": _device(card), "bindType": "IMEIBIND"})
            _expect(found == {"bound": True}, f"bind answered {found}")
        elif kind == 3:
            id_ = self._subscriptions[self._tenant.cards[number % MOVING].imsi]
            found = await self._ask(200, f"{SUBSCRIPTIONS}/subscriptions/{id_}")
            _expect(found["id"] == id_ and found["status"] == "ACTIVE", f"the subscription is {found}")
        elif kind == 4:
            await self._target.log_in(self._tenant)
        else:
            headers = self._target.operator.bearer
            status, found = await self._request("GET", f"{self._target.url}/manage/v1/gateways", None, headers)
            _expect(status == 200 and len(found["gateways"]) >= 2, f"the list of gateways is {status} {found}")
            status, found = await self._request("GET", f"{self._target.url}/readyz", None, {})
            _expect(status == 200, f"/readyz answered {status} {found}")

    async def _ask(self, expected: int, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = self._tenant.bearer | {"x-correlator": f"honest-{uuid.uuid4().hex[:12]}"}
        if body is not None:
            headers["idempotency-key"] = str(uuid.uuid4())
        method = "GET" if body is None else "POST"
        status, found = await self._request(method, self._target.url + path, body, headers)
        _expect(status == expected, f"{method} {path} answered {status} {found}")
        return found

    async def _request(self, method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Wrong(f"{method} {url} was not answered: {type(error).__name__} {error}") from error

    async def _take(self, request: web.Request) -> web.Response:
        """The sink."""
        event = await request.json()
        if event["type"] == IMEI_CHANGE:
            now = time.perf_counter()
            self._taken[event["id"]] += 1
            subscription, imei = event["data"]["subscriptionId"], event["data"]["imei"]
            self._came[subscription].append(imei)
            if at := self._due.get((subscription, imei)):
                self.latencies.events.append((now - at) * 1000)
        return web.Response(status=204)


def _device(card: Card) -> dict[str, str]:
    return {"phoneNumber": card.phone}


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)
