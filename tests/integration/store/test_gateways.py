"""Gateways, their secrets, their ports and what they sent that could not be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.fixtures import world, world_database
from tests.support.world import START, World, imsi

from simwarden.domain.errors import AlreadyExists, GatewayNotFound
from simwarden.store import gateways as store
from simwarden.store import ports
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault, WrongKey

__all__ = ["world", "world_database"]


async def test_a_gateway_is_found_by_its_token_and_by_nothing_else(world: World) -> None:
    box = await world.box("gw1", report_interval=90)
    found = await world.gateways.by_token(world.tokens["gw1"])
    assert found is not None
    assert (found.id, found.name, found.report_interval, found.mac) == (box.id, "gw1", 90, None)
    for wrong in ("", "gw1", world.tokens["gw1"][:-1], store.token_hash(world.tokens["gw1"]).hex()):
        assert await world.gateways.by_token(wrong) is None


async def test_names_are_used_once(world: World) -> None:
    await world.box("gw1")
    with pytest.raises(AlreadyExists, match="'gw1'"):
        await world.box("gw1")
    with pytest.raises(GatewayNotFound, match="'gw2'"):
        await world.gateways.id_of("gw2")
    with pytest.raises(GatewayNotFound):
        await world.gateways.renew_token("gw2")
    with pytest.raises(GatewayNotFound):
        await world.gateways.access(10**6)


async def test_neither_the_token_nor_the_password_is_stored_in_clear(world: World) -> None:
    id_, token = await world.gateways.add("gw1", kind="ejoin", command_url="http://h", username="me", password="s3cret")
    text = str(await world.db.fetch("select g::text from gateway g"))
    assert token not in text
    assert "s3cret" not in text
    assert b"s3cret".hex() not in text
    access = await world.gateways.access(id_)
    assert (access.username, access.password, access.url) == ("me", "s3cret", "http://h")
    assert "s3cret" not in repr(access)
    listed = repr(await world.gateways.all())
    assert "password" not in listed
    assert "token" not in listed


async def test_a_password_opens_with_its_key_and_at_its_gateway_only(world: World) -> None:
    first, _ = await world.gateways.add("gw1", kind="ejoin", command_url=None, username=None, password="one")
    second, _ = await world.gateways.add("gw2", kind="ejoin", command_url=None, username=None, password="two")
    await world.db.execute("update gateway set password = (select password from gateway where id = $1)", first)
    assert (await world.gateways.access(first)).password == "one"
    with pytest.raises(WrongKey):
        await world.gateways.access(second)
    with pytest.raises(WrongKey):
        await Gateways(world.db, Vault(bytes(32))).access(first)


async def test_a_new_token_ends_the_old_one(world: World) -> None:
    await world.box("gw1")
    new = await world.gateways.renew_token("gw1")
    assert await world.gateways.by_token(new) is not None
    assert await world.gateways.by_token(world.tokens["gw1"]) is None


async def test_what_could_not_be_read_is_kept_up_to_a_number_of_each_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT_REJECTS", 3)
    first, second = await world.box("gw1"), await world.box("gw2")
    await world.gateways.reject(second.id, START, "reason", None, b"other")
    for number in range(6):
        await world.gateways.reject(first.id, START + timedelta(seconds=number), "r" * 900, "t" * 900, b"%d" % number)
    kept = await world.gateways.rejects("gw1", 10)
    assert [row["body"] for row in kept] == [b"5", b"4", b"3"]
    assert (len(kept[0]["reason"]), len(kept[0]["content_type"])) == (500, 200)
    assert [row["gateway"] for row in await world.gateways.rejects(None, 10)] == ["gw1"] * 3 + ["gw2"]
    assert await world.db.fetchval("select rejected from gateway where name = 'gw1'") == 6
    await world.gateways.reject(10**6, START, "of a gateway that is gone", None, b"")


async def test_ports_are_listed_as_they_were_reported_last(world: World) -> None:
    box = await world.box()
    box.put(1, 2)
    await world.take(box.dev_status(ports=(1, 2), slots=1))
    (first, second) = await world.ports(box)
    assert (first["port"], first["imsi"], first["status"]) == (1, None, 0)
    assert (second["port"], second["imsi"], second["status"], second["reported_at"]) == (2, imsi(1), 3, START)
    (shown,) = await world.gateways.all()
    assert (shown["sims"], shown["open_enforcements"], shown["mac"]) == (1, 0, "0030f1006db1")


async def test_whose_a_lock_is_is_kept_per_slot(world: World) -> None:
    box = await world.box()
    here, there, never = box.target(1), box.target(2), box.target(3)
    await world.take(box.dev_status(ports=(1,), slots=1))
    async with world.db.transaction() as connection:
        await ports.remember_locks(connection, [here, never])
        await ports.remember_locks(connection, [here])
        assert await ports.locked_by_us(connection, [here, there, never]) == {here, never}
        await ports.forget_locks(connection, [here, there])
        assert await ports.locked_by_us(connection, [here, there, never]) == {never}
    await world.take(box.dev_status(ports=(1, 3), slots=1))
    async with world.db.transaction() as connection:
        assert await ports.locked_by_us(connection, [here, there, never]) == {never}, (
            "a report does not change whose it is"
        )


async def test_generations_are_remembered(world: World) -> None:
    box = await world.box()
    await world.gateways.remember_generation(box.id, "3")
    assert (await world.gateways.access(box.id)).generation == "3"
