"""Steps: what one API wants done with the calls of all APIs that carry its header."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from starlette.applications import Starlette
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import World

from simwarden import northbound
from simwarden.domain.errors import SimwardenError
from simwarden.domain.sim import IdentifierKind, OneSim, SimRef
from simwarden.northbound.kernel import headers
from simwarden.northbound.kernel.api import Api
from simwarden.northbound.kernel.headers import read

if TYPE_CHECKING:
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.services import Services
    from simwarden.northbound.kernel.steps import CheckedCall

HEADER = b"x-parole"
NUMBER = "+8613800000001"
PATH = "/iot-sim-fraud-prevention/v0.1/query"
BODY = msgspec.json.encode({"device": {"phoneNumber": NUMBER}, "queryType": "IMEIBIND"})


class NotHere(SimwardenError):
    """The word is another one."""

    status, code = 403, "PERMISSION_DENIED"


class Parole:
    """A step that wants a word, and limits the call to one SIM where it is the word for that."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str]] = []

    async def __call__(self, given: str, checked: CheckedCall, /) -> TokenHolder:
        """Note the call."""
        caller = checked.caller
        self.taken.append((checked.api, checked.endpoint.name, given))
        assert caller.scopes & checked.allowing
        if given == "wrong":
            raise NotHere
        only = OneSim(frozenset({SimRef(IdentifierKind.MSISDN, "+8613800000002")}), NotHere())
        return msgspec.structs.replace(caller, only=only) if given == "second" else caller  # type: ignore[type-var]


@pytest.fixture
def parole(monkeypatch: pytest.MonkeyPatch) -> Parole:
    """A folder that brings a step, beside those that there are."""
    step = Parole()

    def build(services: Services) -> Api:
        return Api("parole", {}, {}, services.edge, steps={HEADER: step})

    monkeypatch.setitem(northbound.BUILDERS, "parole", build)
    return step


async def asked(world: World, *given: bytes, token: str = "good") -> tuple[int, str]:
    app = northbound.ApisFirst(Starlette(), northbound.apis(world.services))
    sent = [(HEADER.decode(), each.decode("latin-1")) for each in given]
    reply = await call(app, "POST", PATH, BODY, [("authorization", f"Bearer {token}"), *sent])
    return reply.status, reply.json.get("code", "")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (b"right", (200, "")),
        (b"", (200, "")),
        (b"wrong", (403, "PERMISSION_DENIED")),
        (b"second", (403, "PERMISSION_DENIED")),
        (b"\xff", (200, "")),
    ],
)
async def test_a_step_sees_the_calls_of_every_api_that_carry_its_header(
    parole: Parole, given: bytes, answer: tuple[int, str]
) -> None:
    assert await asked(World(), given) == answer
    assert parole.taken == [("iot-sim-fraud-prevention", "query", given.decode("latin-1"))]


async def test_without_the_header_nothing_is_done(parole: Parole) -> None:
    assert await asked(World()) == (200, "")
    assert parole.taken == []


async def test_of_a_repeated_header_the_first_counts(parole: Parole) -> None:
    assert await asked(World(), b"wrong", b"right") == (403, "PERMISSION_DENIED")


async def test_a_call_that_is_refused_before_takes_no_step(parole: Parole) -> None:
    assert (await asked(World(), b"wrong", token="bad"))[0] == 401
    assert (await asked(World(), b"wrong", token="narrow"))[0] == 403
    assert parole.taken == []


def test_headers_of_steps_are_looked_for_only_where_there_are_steps() -> None:
    raw = [(b"x-parole", b"a"), (b"x-correlator", b"c"), (b"x-parole", b"b")]
    assert read(raw).stepped == {}
    found = read(raw, headers.places([HEADER]))
    assert (found.correlator, found.stepped) == ("c", {HEADER: "a"})


async def test_each_mode_takes_its_own_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    live, sandbox = World(), World()
    live.callers["trial"] = msgspec.structs.replace(live.callers["good"], sandbox=True)
    steps = {id(live.services): Parole(), id(sandbox.services): Parole()}

    def build(services: Services) -> Api:
        return Api("parole", {}, {}, services.edge, steps={HEADER: steps[id(services)]})

    monkeypatch.setitem(northbound.BUILDERS, "parole", build)
    app = northbound.ApisFirst(Starlette(), northbound.apis(live.services, sandbox.services))
    sent = [("authorization", "Bearer trial"), (HEADER.decode(), "right")]
    assert (await call(app, "POST", PATH, BODY, sent)).status == 200
    assert [len(step.taken) for step in steps.values()] == [0, 1]


def test_the_kernel_knows_no_api() -> None:
    kernel = Path(headers.__file__).parent
    folders = [package.rpartition(".")[2] for package in northbound.DOCUMENTS.values()]
    texts = {path.name: path.read_text(encoding="utf-8") for path in kernel.glob("*.py")}
    assert texts
    assert [
        (name, folder) for name, text in texts.items() for folder in folders if f"northbound.{folder}" in text
    ] == []
