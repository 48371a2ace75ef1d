"""What `sim explain` prints, against a story that is played: true at every point, and readable."""

from __future__ import annotations

import re

from tests.integration.engine.test_enforcement import failed, stolen
from tests.support.world import CALLER, World, device, imsi

from simwarden.cli.explaining import lines
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import full_imei
from simwarden.engine import gateways
from simwarden.engine.explain import explain
from simwarden.management.explanation import explanation
from simwarden.southbound.ejoin.driver import failure_of

UNREADABLE = (
    re.compile(r"functions \d"),
    re.compile(r"gateway \d"),
    re.compile(r"(?<!\d)\d{14}(?!\d)"),
    re.compile(r"\w+(Error|Exception)\b"),
    re.compile(r"\b(True|False|None|\{)"),
)
"""Sets as numbers, gateways by their number, IMEIs without check digit, names of classes, values in Python's words."""


async def told(world: World, number: int = 1) -> str:
    found = explanation(await explain(world.db, world.gateways, await world.sim(number)))
    text = "\n".join(lines(found)) + "\n".join(lines(found, whole=True))
    assert [match for each in UNREADABLE for match in each.findall(text)] == [], text
    return text


async def test_a_theft_is_told_truly_from_the_report_to_the_lock_and_back(world: World) -> None:
    box = await world.box()
    box.fault = "refuse"
    await stolen(world, box, 1)
    text = await told(world)
    assert "DIFFERED: bound, and in another device" in text
    assert f"Bound to   {full_imei(device(99))}" in text
    assert "Voice is to be off; the network has not confirmed that yet" in text
    assert "Why: the SIM is not in the device that it is bound to" in text
    assert "At gateway gw1, port 11.01: to be locked, seen open (not confirmed yet)" in text
    await world.start_enforcement()
    await world.eventually(lambda: failed(world, 1))
    text = await told(world)
    assert "Data  is to be off, but may still work: the gateway did not lock the SIM" in text
    assert "(failed, still tried). Attempt" in text
    assert "the command has no effect so far: gateway gw1, port 11.01" in text
    box.fault = ""
    await world.eventually(lambda: world.enforced(1))
    text = await told(world)
    assert "SMS   is off. Why:" in text
    assert "command to lock the slot: gateway gw1, port 11.01" in text
    assert "the slot is seen locked: gateway gw1, port 11.01" in text
    assert "report of gw1: port-status" in text
    await world.unbind(1)
    await world.eventually(lambda: world.enforced(1))
    text = await told(world)
    assert re.search(r"Voice works since \d", text)
    assert "the slot is seen open: gateway gw1, port 11.01" in text
    assert "NEUTRAL: not bound to a device" in text


async def test_what_is_left_of_a_gateway_that_was_deleted(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    cause = Cause(CauseKind.OPERATOR, "op", CALLER.at, "gateway delete --force")
    await gateways.remove(world.db, "gw1", cause, force=True, clock=world.clock)
    text = await told(world)
    assert "is to be off, but nothing can be done in the network: no gateway has the SIM" in text
    assert "the gateway was deleted, nobody watches the slot any more: gateway gw1, port 11.01" in text
    assert "[operator op: gateway delete --force" in text


async def test_another_card_and_a_hidden_device_are_told(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.port_status(1, iccid="89860000000000099999"))
    text = await told(world)
    assert "the gateway reports the ICCID 89860000000000099999; another one is registered" in text
    world.clock.turn(1)
    await world.take(box.port_status(1, imei=None))
    assert "unknown since its newest sighting" in await told(world)
    assert imsi(1) in await told(world)


def test_failures_of_connections_are_told_in_words() -> None:
    assert failure_of(TimeoutError()) == "no answer in time"
    assert failure_of(OSError("http://root:root@192.0.2.7/")) == "it broke off"
