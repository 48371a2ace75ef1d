"""A night: the server is lost, its backup restored into an empty folder, looked at as a standby, and promoted. And a
standby on a streaming replica that takes over. The virtual gateways and the sink notice everything that is sent."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.acceptance.test_stolen_sim import changes, locked, prepare
from yarl import URL

from simwarden.demo.story import FRAUD, SUBSCRIPTIONS
from simwarden.demo.world import World
from simwarden.demo.world import until as until_
from simwarden.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


until = partial(until_, patience=60)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


@pytest.fixture
async def world(tmp_path: Path, session: aiohttp.ClientSession) -> AsyncIterator[World]:
    made = World(session, tmp_path)
    try:
        yield made
    finally:
        await made.processes.stop()


async def page(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as answer:
        return await (answer.json() if "json" in answer.content_type else answer.text())


async def sent(world: World) -> tuple[int, list[Any]]:
    """Everything that came to the sink, and every command that came to a gateway, polls included."""
    commands = [(await world.look(f"/gateways/{gateway['name']}/commands"))["commands"] for gateway in world.gateways]
    return len(await world.sink_events()), commands


async def register(world: World, imsi: str) -> list[Any]:
    """What the operator sees of the SIM, its history and its subscriptions."""
    commands = (("sim", "list"), ("sim", "explain", imsi, "--all"), ("subscription", "list"), ("account", "list"))
    found = [await world.processes.command(*command) for command in commands]
    for place in found[1]["places"]:  # how often a command was tried is still counted while the server lives
        for name in ("attempts", "lastError"):
            place.pop(name, None)
    return found


async def refused_reports(world: World, session: aiohttp.ClientSession) -> float:
    """Reports that gateways were asked to send again."""
    text = await page(session, f"{world.url}/metrics")
    return sum(map(float, re.findall(r'simwarden_southbound_messages_total{outcome="unavailable".*} ([0-9.]+)', text)))


async def sink_answers(world: World, session: aiohttp.ClientSession, status: int) -> None:
    async with session.post(URL(world.sink).with_path("/behaviour"), json={"status": status}) as answer:
        assert answer.status == 200, await answer.text()


async def refuses_changes(world: World, session: aiohttp.ClientSession, device: dict[str, str]) -> None:
    """Calls that change something are 503 and say why; those that read are answered."""
    headers = {"Authorization": f"Bearer {world.token}", "Idempotency-Key": "at-night"}
    unbind = {"device": device, "unBindType": "IMEIBIND"}
    async with session.post(f"{world.url}{FRAUD}/unbind", json=unbind, headers=headers) as answer:
        body = await answer.json()
        assert (answer.status, body["code"]) == (503, "UNAVAILABLE"), body
        assert "standby" in body["message"]
        assert int(answer.headers["retry-after"]) > 0
    assert await world.call(f"{FRAUD}/query", {"device": device, "queryType": "IMEIBIND"})
    assert not await world.read(f"{SUBSCRIPTIONS}/subscriptions"), "this application has none"
    for path in ("/docs", "/metrics"):
        async with session.get(f"{world.url}{path}") as answer:
            assert answer.status == 200


async def start_standby(world: World, session: aiohttp.ClientSession) -> None:
    process = await world.processes.start("standby", "serve", "--standby")

    async def is_standby() -> bool:
        assert process.returncode is None, world.processes.log_tail("standby")
        try:
            return bool((await page(session, f"{world.url}/readyz"))["status"] == "standby")
        except OSError:
            return False

    await until(is_standby, "the standby answers")


async def kill(world: World, server: asyncio.subprocess.Process, data: Path) -> None:
    """The server dies, and its database with it."""
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    database = EmbeddedPostgres(data).process_id()
    assert database is not None
    os.kill(database, signal.SIGKILL)


async def test_a_backup_is_restored_looked_at_and_promoted(
    world: World, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server, card = await prepare(world, "2")
    app = await world.processes.command("app", "create", "--account", "ACME", "--name", "night")
    device = {"phoneNumber": card["msisdn"]}
    await world.steer("/move", imsi=card["imsi"], gateway="gw2", port=2, slot=2)
    await until(lambda: locked(world, "gw2", "2.02"), "the thief's slot is locked")

    async def told(count: int) -> bool:
        return len(await changes(world)) == count

    await until(lambda: told(1), "the sink is told")
    # What is under way when the backup is made: an event that the sink does not take, a lock that cannot be lifted.
    await sink_answers(world, session, 500)
    await world.steer("/gateways/gw2/fault", fault="offline")
    await world.steer("/move", imsi=card["imsi"], gateway="gw1", port=1, slot=1)

    async def seen_again() -> bool:
        return bool((await world.processes.command("sim", "explain", card["imsi"]))["bindingState"] == "LOCKED")

    await until(seen_again, "the SIM is back in its device")
    dump = tmp_path / "night.dump"
    for _ in range(20):  # until nothing happened meanwhile: commands to the gateway that is off are still tried
        before = await register(world, card["imsi"])
        await world.processes.command("db", "backup", str(dump), "--force")
        if await register(world, card["imsi"]) == before:
            break
    first_ids = {event["id"] for event in await changes(world)}

    await kill(world, server, tmp_path / "data")
    lost = tmp_path / "lost"
    shutil.move(tmp_path / "data", lost)
    await sink_answers(world, session, 204)
    await world.steer("/gateways/gw2/fault", fault="none")
    done = await world.processes.command("db", "restore", str(dump), "--key-file", str(lost / "master.key"))
    assert done["sims"] == 1

    quiet = await sent(world)
    await start_standby(world, session)
    assert await register(world, card["imsi"]) == before
    await world.log_in(app["appKey"], app["appSecret"])
    await refuses_changes(world, session, device)

    async def gateways_were_turned_away() -> bool:
        return await refused_reports(world, session) >= 4

    await until(gateways_were_turned_away, "gateways report to the standby, and are asked to send again")
    assert await sent(world) == quiet, "a standby sends nothing"
    assert "simwarden_standby 1.0" in await page(session, f"{world.url}/metrics")

    assert (await world.processes.command("db", "promote"))["servers"] == 1

    async def is_ready() -> bool:
        return bool((await page(session, f"{world.url}/readyz"))["status"] == "ready")

    await until(is_ready, "the standby has taken over")
    await until(lambda: told(2), "the event that was waiting is handed out")

    async def lifted() -> bool:
        return not await locked(world, "gw2", "2.02")

    await until(lifted, "the lock that was to be lifted is lifted")
    await world.steer("/move", imsi=card["imsi"], gateway="gw2", port=3, slot=2)
    await until(lambda: told(3), "the next theft is told")
    await until(lambda: locked(world, "gw2", "3.02"), "and barred")
    ids = [event["id"] for event in await changes(world)]
    assert first_ids < set(ids)
    assert int(ids[-1].rpartition("-")[2]) > 1000, "ids go on where nobody has been"


async def test_a_standby_on_a_streaming_replica_takes_over(
    world: World, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server, card = await prepare(world, "2")
    device = {"phoneNumber": card["msisdn"]}
    app = await world.processes.command("app", "create", "--account", "ACME", "--name", "night")
    primary, replica = tmp_path / "data", tmp_path / "replica"
    await asyncio.to_thread(copy, EmbeddedPostgres(primary), replica)
    for name in ("master.key", "operator.key"):
        shutil.copy(primary / name, replica / name)

    # The replica's server has a data directory and a port of its own; gateways still report to the first.
    second = World(session, tmp_path)
    second.processes = type(second.processes)(tmp_path, {**environment(second), "SIMWARDEN_DATA_DIR": str(replica)})
    try:
        await start_standby(second, session)
        await second.log_in(app["appKey"], app["appSecret"])
        await world.steer("/move", imsi=card["imsi"], gateway="gw2", port=2, slot=2)
        await until(lambda: locked(world, "gw2", "2.02"), "the first server bars the SIM")

        async def arrived() -> bool:
            return bool((await second.processes.command("sim", "explain", card["imsi"]))["bindingState"] == "DIFFERED")

        await until(arrived, "the replica knows it")
        await refuses_changes(second, session, device)
        await kill(world, server, primary)
        quiet = await sent(world)
        assert (await second.processes.command("db", "promote"))["replica"] is True

        async def is_ready() -> bool:
            return bool((await page(session, f"{second.url}/readyz"))["status"] == "ready")

        await until(is_ready, "the standby has taken over")
        answer = await second.call(f"{FRAUD}/unbind", {"device": device, "unBindType": "IMEIBIND"}, 200)
        assert answer is not None
        await until(lambda: lifted(world), "what is changed at the new server is commanded")
        assert (await sent(world))[1] != quiet[1]
    finally:
        await second.processes.stop()


async def lifted(world: World) -> bool:
    return not await locked(world, "gw2", "2.02")


def environment(world: World) -> dict[str, str]:
    return dict(world.processes._environment)


def copy(primary: EmbeddedPostgres, folder: Path) -> None:
    """A streaming replica of the primary's database, in the data directory `folder`."""
    made = EmbeddedPostgres(folder)
    folder.mkdir()
    if os.geteuid() == 0:  # the replica's server is another user, and follows the first one's socket
        for parent in (folder, *folder.parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    made.cluster.mkdir(mode=0o700)
    user = primary._system_user()
    if user is not None:
        os.chown(made.cluster, user.pw_uid, user.pw_gid)
    primary._run(
        *("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast"),
        *(f"--pgdata={made.cluster}", f"--dbname={primary.url()}"),
    )
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (made.cluster / name).unlink(missing_ok=True)
