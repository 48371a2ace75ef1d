"""Equipment checks over the wire: verdicts, what they change of SIMs, who may ask."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.integration.southbound.eir.core import CURL, Core, problem
from tests.support.certificates import self_signed
from tests.support.patience import PATIENCE
from tests.support.world import World, device, imsi

from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import BindingState, OnMismatch, OnUnknown, Policy
from simwarden.engine.equipment import Asker
from simwarden.kit.clock import now_utc
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from pathlib import Path

    import aiohttp


async def settled(core: Core) -> None:
    """What is written behind answers is written."""
    await core.source._checks.drain()


async def test_a_sim_is_let_in_its_own_device_alone(core: Core) -> None:
    world = core.world
    assert await core.check(device(1), 1) == "WHITELISTED"
    assert await world.types(1) == [EventType.SIM_ADDED, EventType.BINDING_CREATED, EventType.DEVICE_SEEN]
    assert await core.check(device(2), 1) == "BLACKLISTED"
    assert await world.state(1) is BindingState.DIFFERED  # committed before the answer
    assert await core.check(device(2), 2) == "WHITELISTED"
    assert await core.check(device(2)) == "WHITELISTED"
    assert await core.check(device(1), 1) == "WHITELISTED"
    assert await world.state(1) is BindingState.LOCKED
    assert not await world.barred(1)
    assert core.counted == {("accepted", "WHITELISTED"): 4, ("accepted", "BLACKLISTED"): 1}


async def test_a_repeated_check_writes_nothing_but_the_coarse_time(core: Core) -> None:
    world = core.world
    await core.check(device(1), 1)
    await settled(core)
    before = await world.written("sim"), await world.written("event"), len(world.tallies)
    for _ in range(20):
        assert await core.check(device(1), 1) == "WHITELISTED"
    await settled(core)
    assert (await world.written("sim"), await world.written("event"), len(world.tallies)) == before
    await world.db.execute("update sim set seen_at = $1", now_utc() - timedelta(hours=1))
    assert await core.check(device(1), 1) == "WHITELISTED"
    await settled(core)
    seen = (await world.sim(1)).seen
    assert seen is not None
    assert now_utc() - seen.at < timedelta(minutes=5)


async def test_policies_of_the_binding(core: Core) -> None:
    await core.world.bind(1, Policy(on_mismatch=OnMismatch.ALERT), imei=device(1))
    assert await core.check(device(2), 1) == "GREYLISTED"
    await core.world.bind(1, Policy(unknown=OnUnknown.DENY), imei=device(2))
    status, body, _ = await core.ask(f"pei=mac-00-11-22-33-44-55&supi=imsi-{imsi(1)}")
    assert (status, body) == (200, {"status": "BLACKLISTED"})
    status, body, kind = await core.ask("pei=mac-00-11-22-33-44-55")
    assert (status, problem(body), kind) == (404, "ERROR_EQUIPMENT_UNKNOWN", "application/problem+json")


async def test_the_first_device_binds_an_armed_sim_and_the_next_is_not_let_in(core: Core) -> None:
    await core.world.bind(2, first_seen=True)
    answers = await asyncio.gather(*(core.check(device(3), 2) for _ in range(5)))
    assert set(answers) == {"WHITELISTED"}
    assert await core.check(device(4), 2) == "BLACKLISTED"
    assert await core.world.count(2, EventType.BINDING_LEARNT) == 1


async def test_lists_of_devices_and_models(core: Core) -> None:
    lists = ListedDevices(core.world.db)
    entries = [
        ListedDevice(list=DeviceList.STOLEN, imei=device(5)),
        ListedDevice(list=DeviceList.TRACKED, imei=device(6)),
        ListedDevice(list=DeviceList.BLOCKED, tac=device(7)[:8], tac_last=device(8)[:8]),
        ListedDevice(list=DeviceList.ALLOWED, tac=device(8)[:8]),
    ]
    await lists.put(entries, now_utc())
    verdicts = [await core.check(device(number), 2) for number in (4, 5, 6, 7, 8, 9)]
    black, grey, white = "BLACKLISTED", "GREYLISTED", "WHITELISTED"
    assert verdicts == [white, black, grey, black, black, white]
    assert await lists.remove(DeviceList.BLOCKED, f"{device(7)[:8]}-{device(8)[:8]}")
    assert [await core.check(device(number)) for number in (7, 8)] == [white, white]
    await lists.put([ListedDevice(list=DeviceList.STOLEN, imei=device(1))], now_utc())
    assert await core.check(device(1), 1) == black  # its own, and stolen


async def test_the_phone_number_names_the_sim_where_there_is_no_supi(core: Core) -> None:
    from simwarden.domain.events import Cause, CauseKind
    from simwarden.engine import identity

    cause = Cause(CauseKind.OPERATOR, "test", now_utc())
    await identity.rename(core.world.db, imsi(1), {"msisdn": "+8613800000001"}, cause)
    _, body, _ = await core.ask(f"pei=imei-{full_imei(device(2))}&gpsi=msisdn-8613800000001")
    assert body == {"status": "BLACKLISTED"}
    _, body, _ = await core.ask(f"pei=imei-{full_imei(device(2))}&gpsi=msisdn-8613800000009")
    assert body == {"status": "WHITELISTED"}


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
async def test_http_2_with_prior_knowledge_by_curl(core: Core) -> None:
    query = f"pei=imeisv-{device(2)}01&supi=imsi-{imsi(1)}"
    assert await core.curl(query, "--http2-prior-knowledge") == ("2 200", '{"status":"BLACKLISTED"}')
    line, body = await core.curl("pei=imei-1", "--http2-prior-knowledge")
    assert (line, '"cause":"MANDATORY_QUERY_PARAM_INCORRECT"' in body) == ("2 400", True)
    assert (await core.curl(query, "--http1.1"))[0] == "1.1 200"
    assert (await core.curl(query, "--http2-prior-knowledge", "--request", "POST", "--data", "x" * 100_000))[
        0
    ] == "2 405"
    assert (await core.curl(query, "--http2-prior-knowledge", "--request-target", "/x"))[0] == "2 404"


async def test_who_is_not_registered_learns_nothing(core: Core) -> None:
    world = core.world
    await world.db.execute("update gateway set source_addresses = '{192.0.2.0/24}'")
    await core.source._book.turn()
    status, body, _ = await core.ask(f"pei=imei-{full_imei(device(1))}")
    assert (status, problem(body)) == (403, "None")
    assert core.counted == {("unknown_source", ""): 1}


async def test_an_element_of_one_account_learns_nothing_of_others(core: Core) -> None:
    world = core.world
    await world.db.execute("update gateway set account_id = 'other'")
    await core.source._book.turn()
    assert await core.check(device(2), 1) == "WHITELISTED"  # as of a SIM that nobody registered
    assert await world.types(1) == [EventType.SIM_ADDED, EventType.BINDING_CREATED]


async def test_tokens_of_the_nrf_where_keys_are_set(core: Core, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    (tmp_path / "nrf.pem").write_bytes(key.as_pem(private=False))
    guarded = Core(core.world, session, eir_token_keys=str(tmp_path / "nrf.pem"))
    await guarded.source.start()
    query = f"pei=imei-{full_imei(device(1))}"

    def token(scope: str) -> str:
        claims = {"aud": "5G_EIR", "scope": scope, "exp": int(now_utc().timestamp()) + 60}
        return f"Bearer {jwt.encode({'alg': 'ES256'}, claims, key)}"

    try:
        assert (await guarded.ask(query))[0] == 401
        assert (await guarded.ask(query, Authorization=token("nnrf-disc")))[0] == 403
        assert (await guarded.ask(query, Authorization=token("n5g-eir-eic")))[0] == 200
    finally:
        await guarded.source.stop()
    assert guarded.counted == {("bad_token", ""): 2, ("accepted", "WHITELISTED"): 1}


async def test_without_the_database_the_network_is_told_to_come_again(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(core.source._checks, "check", away)
    status, body, _ = await core.ask(f"pei=imei-{full_imei(device(1))}")
    assert (status, problem(body)) == (503, "SYSTEM_FAILURE")


async def test_more_checks_than_the_limit_are_refused_and_the_others_answered(
    core: Core, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Core(core.world, session, eir_checks=4)  # of which one element alone has half
    gate, inside = asyncio.Event(), asyncio.Semaphore(0)
    real = small.source._checks.check

    async def slow(asker: Asker, *given: str | None) -> object:
        inside.release()
        await gate.wait()
        return await real(asker, *given)

    monkeypatch.setattr(small.source._checks, "check", slow)
    await small.source.start()
    try:
        waiting = [asyncio.create_task(small.check(device(1))) for _ in range(2)]
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                await inside.acquire()
        assert await small.check(device(1)) == "503 NF_CONGESTION"
        gate.set()
        assert await asyncio.gather(*waiting) == ["WHITELISTED", "WHITELISTED"]
    finally:
        await small.source.stop()


async def test_a_port_that_is_taken_is_said(core: Core, world: World, session: aiohttp.ClientSession) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = Core(world, session)
        other.source._listener._port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await other.source.start()
        await other.source.stop()


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
async def test_tls_with_certificates_of_its_clients(core: Core, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    files = {"eir_tls_certificate": str(certificate), "eir_tls_key": str(key), "eir_tls_clients": str(certificate)}
    secured = Core(core.world, session, **files)
    await secured.source.start()
    query = f"pei=imei-{full_imei(device(1))}"
    try:
        line, body = await secured.curl(
            query,
            "--http2",
            "--cacert",
            str(certificate),
            "--cert",
            str(certificate),
            "--key",
            str(key),
            scheme="https",
        )
        assert (line, body) == ("2 200", '{"status":"WHITELISTED"}')
        line, body = await secured.curl(query, "--http2", "--cacert", str(certificate), scheme="https")
        assert (line.split()[-1], body) == ("000", "")
    finally:
        await secured.source.stop()
    with pytest.raises(ValueError, match="certificate and its key"):
        Core(core.world, session, eir_tls_clients=str(certificate))
