"""From the reports of a running call to the answer of call-status, on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from tests.integration.northbound.house import sim
from tests.integration.northbound.test_fraud_hotzone import CAMBODIA, NUMBER, Traffic, house, traffic
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched
from tests.unit.northbound.world import IMEI

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.reports import CallRecord, PortObservation, Report
from simwarden.engine.ingest import Ingest
from simwarden.store import sims as sim_store

if TYPE_CHECKING:
    import pytest
    from tests.integration.northbound.house import House

__all__ = ["house", "traffic"]


async def ask(house: House, body: Any = OWN, token: str | None = None) -> Any:
    headers = [("x-correlator", "c-1")]
    reply = await house.client("POST", "/call-status/vwip/retrieve", body, token=token or house.token, headers=headers)
    return reply.json if reply.status == 200 else (reply.status, reply.json["code"])


class Phone:
    """The SIM's one call, and its gateway."""

    def __init__(self, house: House, traffic: Traffic) -> None:
        self._house = house
        self._gateway = traffic._gateway
        self.now = traffic.now
        begun = self.now - timedelta(seconds=300)
        self.call = CallRecord(call_id="c", direction="inbound", imsi=sim(NUMBER).imsi, caller=CAMBODIA, begin_at=begun)

    async def report(self, seconds_ago: float, **what: Any) -> None:
        at = self.now - timedelta(seconds=seconds_ago)
        ingest = Ingest(self._house.db, self._house.vault, clock=lambda: at)
        await ingest.submit(Report(gateway_id=self._gateway, gateway_name="gw", received_at=at, message="cdr", **what))

    async def told(self, seconds_ago: float, **changes: Any) -> None:
        self.call = msgspec.structs.replace(self.call, **changes)
        await self.report(seconds_ago, calls=(self.call,))

    async def shown(self, seconds_ago: float, status: int) -> None:
        port = PortObservation(
            port=1, slot=1, sequence=None, status=status, locked=False, imei=IMEI, imsi=self.call.imsi, iccid=None
        )
        await self.report(seconds_ago, ports=(port,))


async def test_a_call_is_one_from_its_answer_to_its_end(house: House, traffic: Traffic) -> None:
    phone = Phone(house, traffic)
    assert (await ask(house))["inCall"] == "UNKNOWN", "nobody shows the SIM"
    await phone.shown(290, 3)
    await phone.told(280)
    await phone.shown(30, 3)
    assert (await ask(house))["inCall"] == "FALSE", "it rings"
    answered = phone.now - timedelta(seconds=250)
    await phone.told(20, answer_at=answered)
    found = await ask(house)
    assert (found["inCall"], found["since"]) == ("TRUE", answered.isoformat().replace("+00:00", "Z"))
    assert CAMBODIA not in str(found)
    await phone.told(10, end_at=phone.now - timedelta(seconds=11))
    assert (await ask(house))["inCall"] == "FALSE"


async def test_a_call_that_is_not_reported_any_more_is_unknown(house: House, traffic: Traffic) -> None:
    phone = Phone(house, traffic)
    await phone.told(200, answer_at=phone.now - timedelta(seconds=250))
    assert (await ask(house))["inCall"] == "UNKNOWN"
    await phone.told(20)
    assert (await ask(house))["inCall"] == "TRUE"


async def test_another_sim_of_that_imsi_has_calls_of_its_own(house: House, traffic: Traffic) -> None:
    phone = Phone(house, traffic)
    await phone.told(20, answer_at=phone.now - timedelta(seconds=250))
    async with house.db.transaction() as connection:
        locked = await sim_store.lock(connection, [sim(NUMBER).imsi])
        await sim_store.delete(connection, list(locked.values()), phone.now)
    async with house.db.transaction() as connection:
        again = msgspec.structs.replace(sim(NUMBER), first_event=10, event_count=10)
        cause = Cause(CauseKind.OPERATOR, "test", phone.now)
        await sim_store.insert(connection, house.account.id, [again], cause, phone.now)
    assert (await ask(house))["inCall"] == "UNKNOWN"


async def test_a_foreign_number_and_an_unknown_one_cost_the_same(
    house: House, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(house, UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    costs = []
    for body in (UNKNOWN, FOREIGN):
        watched.seen.clear()
        assert await ask(house, body) == (404, "IDENTIFIER_NOT_FOUND")
        costs.append(list(watched.seen))
    assert costs[0] == costs[1]
