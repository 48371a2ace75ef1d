"""Registration at a virtual NRF, over HTTP/2 with prior knowledge."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.nrf import VirtualNrf
from tests.support.patience import PATIENCE

from simwarden.demo.processes import free_port
from simwarden.southbound.sbi import nrf as module
from simwarden.southbound.sbi.client import SbiClient
from simwarden.southbound.sbi.listener import SbiListener
from simwarden.southbound.sbi.nrf import (
    NetworkFunction,
    NrfAlarm,
    NrfRegistration,
    ServiceAddress,
    endpoints_of,
    instance_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTION = NetworkFunction(
    id="b1d0a1a2-0000-4000-8000-000000000001",
    type="5G_EIR",
    service="n5g-eir-eic",
    version=("v1", "1.2.0"),
    scheme="http",
    endpoints=(
        ServiceAddress("192.0.2.1", 7777),
        ServiceAddress("eir.example", 7777),
        ServiceAddress("2001:db8::1", 7777),
    ),
)


class Alarm(NrfAlarm):
    """What was raised, in memory."""

    def __init__(self) -> None:
        self.open: str | None = None
        self.raised = 0

    async def lost(self, nrf: str, reason: str) -> None:
        assert nrf.startswith("http://127.0.0.1:")
        self.raised += self.open is None
        self.open = reason

    async def over(self, because: str) -> None:
        self.open = None


class Held:
    """A lease that nobody else wants."""

    interval = 0.02

    async def refresh(self) -> list[int]:
        return [0]

    async def leave(self) -> None:
        """Nobody waits for it."""


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - the other side tells nobody
            await asyncio.sleep(0.01)


async def test_registers_beats_comes_back_after_a_loss_and_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRIES", (0.01,))
    nrf, port, counted = VirtualNrf(heart_beat=1), free_port(), Counter[tuple[str, str]]()
    client, alarm = SbiClient(PATIENCE), Alarm()
    registration = NrfRegistration(
        f"http://127.0.0.1:{port}/", FUNCTION, client, Held(), alarm, counted=lambda *words: counted.update([words])
    )
    registration.start()
    await until(lambda: counted["nrf_lost", "5G_EIR"] > 2)  # nobody listens yet
    await until(lambda: alarm.open)
    listener = SbiListener(nrf, "127.0.0.1", port)
    await listener.start()
    await until(lambda: nrf.beats.get(FUNCTION.id))
    assert alarm.open is None
    profile = nrf.profiles[FUNCTION.id]
    assert profile["nfServices"][0]["ipEndPoints"] == [
        {"ipv4Address": "192.0.2.1", "transport": "TCP", "port": 7777},
        {"ipv6Address": "2001:db8::1", "transport": "TCP", "port": 7777},
    ]
    assert (profile["ipv4Addresses"], profile["ipv6Addresses"], profile["fqdn"]) == (
        ["192.0.2.1"],
        ["2001:db8::1"],
        "eir.example",
    )
    nrf.profiles.clear()  # it forgot us
    await until(lambda: nrf.profiles)
    nrf.fault = 500
    await until(lambda: "500" in (alarm.open or ""))
    assert not registration.registered
    nrf.fault = None
    await until(lambda: registration.registered)
    await until(lambda: alarm.open is None)
    assert alarm.raised == 2
    await registration.stop()
    assert nrf.profiles == {}
    assert {version for _, version in nrf.calls} == {"2"}
    assert nrf.calls[-1][0] == "DELETE"
    await listener.stop()


def test_where_it_is() -> None:
    assert endpoints_of("", "192.0.2.1", 7) == (ServiceAddress("192.0.2.1", 7),)
    assert endpoints_of("eir.example, 192.0.2.1:8,[2001:db8::1]:9,2001:db8::2", "x", 7) == (
        ServiceAddress("eir.example", 7),
        ServiceAddress("192.0.2.1", 8),
        ServiceAddress("2001:db8::1", 9),
        ServiceAddress("2001:db8::2", 7),
    )
    for text in ("a:b", "a:0", "a:70000", ":7"):
        with pytest.raises(ValueError, match="HOST"):
            endpoints_of(text, "x", 7)
    where = (ServiceAddress("a", 1),)
    assert instance_id(None, "CHF", where) == instance_id(None, "CHF", where) != instance_id(None, "5G_EIR", where)
    assert instance_id("B1D0A1A2-0000-4000-8000-000000000001", "CHF", ()) == FUNCTION.id
    with pytest.raises(ValueError, match="UUID"):
        instance_id("x", "CHF", ())
