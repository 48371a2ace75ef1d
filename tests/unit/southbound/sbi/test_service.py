"""Requests in work: how many there may be, and how they are shared among elements."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.sbi.answers import Problem
from simwarden.southbound.sbi.service import Answer, SbiApp, ServiceGate

if TYPE_CHECKING:
    from starlette.types import Receive, Scope


class Element(msgspec.Struct, frozen=True):
    id: int


class Waiting(SbiApp[Element, str]):
    """Serves nothing before it is told to."""

    def __init__(self, most: int) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        elements = {f"192.0.2.{number}": Element(number) for number in range(1, 10)}
        super().__init__(
            ServiceGate(service="x", who=elements.get, most=most, counted=lambda *words: self.counts.update([words]))
        )
        self.go = asyncio.Event()
        self.inside = 0
        self.fault: Exception | None = None

    async def read(self, scope: Scope, receive: Receive) -> str:
        return str(scope["path"])

    async def serve(self, element: Element, asked: str) -> Answer:
        self.inside += 1
        try:
            await self.go.wait()
            if self.fault is not None:
                raise self.fault
        finally:
            self.inside -= 1
        return 200, b"{}", ()


class Asking:
    """Requests of elements, answered or in work."""

    def __init__(self, app: Waiting) -> None:
        self.app = app
        self.tasks: list[asyncio.Task[int]] = []

    async def ask(self, number: int) -> int:
        """One request to its end: the status, its body checked against it."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError

        scope = {"type": "http", "path": "/", "method": "GET", "headers": [], "client": (f"192.0.2.{number}", 1)}
        await self.app(scope, receive, send)
        status = int(sent[0]["status"])
        if status >= 400:
            assert json.loads(sent[1]["body"])["status"] == status
        return status

    async def begin(self, number: int, count: int) -> int:
        """So many requests of an element; returns how many of them are in work."""
        before = self.app.inside
        tasks = [asyncio.create_task(self.ask(number)) for _ in range(count)]
        self.tasks += tasks
        async with asyncio.timeout(PATIENCE):
            while self.app.inside - before + sum(task.done() for task in tasks) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return self.app.inside - before


async def test_an_element_that_fills_its_share_leaves_the_others_theirs() -> None:
    asking = Asking(Waiting(120))
    assert await asking.begin(1, 1000) == 60
    assert await asking.begin(2, 20) == 20
    assert await asking.begin(1, 1000) == 0
    assert await asking.begin(3, 1000) == 20
    assert await asking.begin(4, 1) == 1
    assert asking.app.counts == {("busy", ""): 940 + 1000 + 980}
    asking.app.go.set()
    assert Counter(await asyncio.gather(*asking.tasks)) == {200: 101, 503: 2920}
    assert asking.app._shares.taken == 0


async def test_one_request_is_always_possible() -> None:
    asking = Asking(Waiting(1))
    assert await asking.begin(1, 3) == 1
    asking.app.go.set()
    assert Counter(await asyncio.gather(*asking.tasks)) == {200: 1, 503: 2}


async def test_who_is_not_registered_takes_nobodys_place() -> None:
    asking = Asking(Waiting(1))
    await asking.begin(1, 1)
    assert await asking.ask(77) == 403
    assert asking.app.counts == {("unknown_source", ""): 1}
    asking.app.go.set()
    await asyncio.gather(*asking.tasks)


@pytest.mark.parametrize(
    ("fault", "status", "outcome"),
    [
        (StoreUnavailable(), 503, "unavailable"),
        (UnacceptableReport(), 500, "unacceptable"),
        (ZeroDivisionError(), 500, "failed"),
        (Problem(409, "No"), 409, None),
    ],
)
async def test_what_goes_wrong_is_answered_and_counted(fault: Exception, status: int, outcome: str | None) -> None:
    asking = Asking(Waiting(2))
    asking.app.go.set()
    asking.app.fault = fault
    assert [await asking.ask(1) for _ in range(3)] == [status] * 3
    assert asking.app.counts == ({(outcome, ""): 3} if outcome else {})
