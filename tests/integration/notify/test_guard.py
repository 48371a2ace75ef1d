"""The guard at the moment of connecting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from yarl import URL

from simwarden.notify.request import SinkRequest
from simwarden.notify.sender import AddressRefused, GuardedResolver, Sender

if TYPE_CHECKING:
    from tests.integration.notify.sink import Sink


class Names:
    """A name server whose answers change."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def post(url: str) -> SinkRequest:
    return SinkRequest(URL(url, encoded=True), {"content-type": "application/json"}, b'{"id": "1", "type": "a.b"}')


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_not_connected_to(sink: Sink, address: str) -> None:
    sender = Sender(allow_private=False, lookup=Names([address]))
    try:
        outcome = await sender.send(post(f"http://sink.example:{sink.port}/"))
    finally:
        await sender.close()
    assert outcome.status is None
    assert outcome.error is not None
    assert address in outcome.error
    assert sink.received == []


async def test_a_literal_address_that_leads_inside_is_not_connected_to(sink: Sink) -> None:
    sender = Sender(allow_private=False)
    try:
        outcome = await sender.send(post(sink.url))
    finally:
        await sender.close()
    assert outcome.status is None
    assert "refused (loopback)" in str(outcome.error)
    assert sink.received == []


async def test_rebinding_finds_no_gap_between_looking_and_connecting(sink: Sink) -> None:
    """The first answer is public, every later one is inside: only addresses that were judged are connected to."""
    names = Names(["192.0.2.0", "203.0.113.9"], ["127.0.0.1"])
    resolver = GuardedResolver(Names(["8.8.8.8", "127.0.0.1"], ["127.0.0.1"]), allow_private=False)
    assert [one["host"] for one in await resolver.resolve("sink.example", 443)] == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        await resolver.resolve("sink.example", 443)
    sender = Sender(allow_private=False, lookup=names, connect_timeout=0.2, total_timeout=0.5)
    try:
        for _ in range(3):
            outcome = await sender.send(post(f"http://sink.example:{sink.port}/"))
            assert outcome.status is None
    finally:
        await sender.close()
    assert names.asked >= 2
    assert sink.received == []


async def test_what_is_resolved_is_what_is_connected_to(sink: Sink) -> None:
    names = Names(["127.0.0.1"])
    sender = Sender(allow_private=True, lookup=names)
    try:
        for _ in range(3):
            outcome = await sender.send(post(f"http://sink.example:{sink.port}/"))
            assert outcome.status == 204
    finally:
        await sender.close()
    assert [one.headers["host"] for one in sink.received] == [f"sink.example:{sink.port}"] * 3
    assert names.asked == 1, "the connection is kept"


async def test_a_name_that_does_not_exist_is_no_answer() -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise OSError(f"{host} is unknown")

    sender = Sender(allow_private=True, lookup=nothing)
    try:
        outcome = await sender.send(post("http://sink.example/"))
    finally:
        await sender.close()
    assert outcome.status is None
    assert "sink.example" in str(outcome.error)
