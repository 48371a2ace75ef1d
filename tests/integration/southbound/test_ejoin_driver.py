"""The driver against a gateway that listens on 127.0.0.1, in all generations and all moods."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.patience import PATIENCE

from simwarden.southbound.ejoin.codec import DeviceStatus, decode
from simwarden.southbound.ejoin.commands import SmsOrder
from simwarden.southbound.ejoin.driver import EjoinCommandFailed, EjoinDriver, Generation, Slot, redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

USER, PASSWORD = "operator", "s3cr&t+ päss/?"
STATUS = {"type": "dev-status", "seq": 1, "expires": -1, "mac": "00-30-f1-00-6d-b1", "status": [{"port": "1.02"}]}


class Gateway:
    """A gateway of one generation that records what it was asked; `answer` makes it misbehave."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.calls: list[tuple[str, str, dict[str, str], object]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.reply: object = {"code": 200, "reason": "OK"}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    def knows(self, path: str) -> bool:
        if self.generation is Generation.V3:
            return path in {"/get_device_status", "/lock_sims", "/unlock_sims", "/submit_sms_tasks"}
        return path in {"/goip_get_status.html", "/goip_send_cmd.html", "/goip_post_sms.html"}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        sent = json.loads(body) if body else None
        self.calls.append((request.method, request.path, dict(request.query), sent))
        if self.answer is not None:
            return await self.answer(request)
        if not self.knows(request.path):
            return web.Response(status=404, text="<html>no such page</html>")
        name = "Username" if self.generation is Generation.V1 else "username"
        if request.query.get(name) != USER or request.query.get("password") != PASSWORD:
            return web.json_response({"code": 1, "reason": "Invalid User"})
        return web.json_response(STATUS if "status" in request.path else self.reply)


class House:
    """A gateway, its address, and a driver for it."""

    def __init__(self, gateway: Gateway, url: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.url = url
        self.session = session

    def driver(
        self, generation: Generation | None = None, *, password: str = PASSWORD, timeout: float = PATIENCE
    ) -> EjoinDriver:
        return EjoinDriver(self.session, self.url, USER, password, generation, timeout=timeout)


@asynccontextmanager
async def house(generation: Generation) -> AsyncIterator[House]:
    gateway = Gateway(generation)
    async with TestServer(gateway.app(), host="127.0.0.1") as server, aiohttp.ClientSession() as session:
        yield House(gateway, str(server.make_url("")), session)


GENERATIONS = list(Generation)


async def failure(call: Awaitable[object]) -> EjoinCommandFailed:
    """The `EjoinCommandFailed` of `call`, which must keep the credentials to itself in every form."""
    with pytest.raises(EjoinCommandFailed) as caught:
        await call
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
    seen: BaseException | None = error
    while seen is not None:
        shown += repr(seen) + str(seen)
        seen = seen.__context__
    for secret in (USER, PASSWORD, "s3cr", "password="):
        assert secret not in shown.replace("password=***", "")
    return error


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_probe_finds_each_generation_and_remembers_it(generation: Generation) -> None:
    async with house(generation) as there:
        driver = there.driver()
        assert await driver.probe() is generation
        assert driver.generation is generation
        before = len(there.gateway.calls)
        await driver.lock([Slot(1, 1)])
        assert len(there.gateway.calls) == before + 1


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_one_call_carries_many_slots(generation: Generation) -> None:
    async with house(generation) as there:
        driver = there.driver(generation)
        await driver.lock([Slot(1, 1), Slot(2, 2)])
        await driver.unlock([Slot(2, 2)])
        await driver.lock([])
        (method, path, query, locked), (_, unlock_path, _, unlocked) = there.gateway.calls
        assert method == "POST"
        if generation is Generation.V3:
            assert (path, unlock_path) == ("/lock_sims", "/unlock_sims")
            assert locked == {"slots": [{"port": 1, "slot": 1}, {"port": 2, "slot": 2}]}
            assert unlocked == {"slots": [{"port": 2, "slot": 2}]}
            assert query == {"username": USER, "password": PASSWORD}
        else:
            assert path == unlock_path == "/goip_send_cmd.html"
            assert locked == {"type": "command", "op": "lock", "ports": "1A,2B"}
            assert unlocked == {"type": "command", "op": "unlock", "ports": "2B"}
            name = "Username" if generation is Generation.V1 else "username"
            assert query == {"version": "1.1", name: USER, "password": PASSWORD}


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_the_status_comes_as_the_gateway_sent_it(generation: Generation) -> None:
    async with house(generation) as there:
        body = await there.driver().read_status()
        assert json.loads(body) == STATUS
        (message,) = decode(body).messages
        assert isinstance(message, DeviceStatus)
        method, path, query, _ = there.gateway.calls[-1]
        assert method == "GET"
        if generation is Generation.V3:
            assert path == "/get_device_status"
        else:
            assert path == "/goip_get_status.html"
            assert query["all_slots"] == "1"


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_success_is_0_or_200(generation: Generation) -> None:
    async with house(generation) as there:
        for code in (0, 200, "0", "200"):
            there.gateway.reply = {"code": code}
            await there.driver(generation).lock([Slot(1, 1)])


@pytest.mark.parametrize(("code", "retryable"), [(2, False), (7, True), (15, False), (10, True)])
@pytest.mark.parametrize("generation", GENERATIONS)
async def test_a_refusal(generation: Generation, code: int, retryable: bool) -> None:
    async with house(generation) as there:
        there.gateway.reply = {"code": code, "reason": f"No, {USER}: /x?username={USER}&password=x {PASSWORD}"}
        error = await failure(there.driver(generation).lock([Slot(1, 1)]))
        assert (error.gateway_code, error.retryable) == (code, retryable)
        assert error.reason.startswith(f"The gateway refused: code {code}, No, ***:")


@pytest.mark.parametrize("generation", GENERATIONS)
async def test_wrong_credentials(generation: Generation) -> None:
    async with house(generation) as there:
        for driver in (there.driver(generation, password="s3cret"), there.driver(password="s3cret")):
            error = await failure(driver.lock([Slot(1, 1)]))
            assert (error.gateway_code, error.retryable) == (1, False)
            assert "user name or password" in error.reason
        there.gateway.reply = {"code": 14, "reason": "Unauthorized"}
        error = await failure(there.driver(generation).lock([Slot(1, 1)]))
        assert (error.gateway_code, error.retryable) == (14, False)
        assert "user name or password" in error.reason


@pytest.mark.parametrize(
    ("status", "retryable", "words"),
    [
        (401, False, "user name or password"),
        (403, False, "user name or password"),
        (302, False, "redirects"),
        (500, True, "HTTP status 500"),
        (503, True, "HTTP status 503"),
        (429, True, "HTTP status 429"),
        (400, False, "HTTP status 400"),
    ],
)
async def test_http_statuses(status: int, retryable: bool, words: str) -> None:
    async with house(Generation.V2) as there:

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"/elsewhere?{request.query_string}"})

        there.gateway.answer = answer
        error = await failure(there.driver(Generation.V2).lock([Slot(1, 1)]))
        assert (error.gateway_code, error.retryable) == (status, retryable)
        assert words in error.reason
        # Not followed, not repeated, no other generation tried.
        assert [path for _, path, _, _ in there.gateway.calls] == ["/goip_send_cmd.html"]


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b'{"code":', b"\xff\xfe"])
async def test_answers_that_are_no_json(body: bytes) -> None:
    async with house(Generation.V2) as there:

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=body)

        there.gateway.answer = answer
        driver = there.driver(Generation.V2)
        for call in (driver.lock([Slot(1, 1)]), driver.read_status()):
            error = await failure(call)
            assert (error.gateway_code, error.retryable) == (None, True)
            assert error.reason == "The gateway's answer is not JSON."


async def test_answers_that_tell_nothing() -> None:
    async with house(Generation.V2) as there:
        there.gateway.reply = {}
        assert "no outcome" in (await failure(there.driver(Generation.V2).lock([Slot(1, 1)]))).reason
        there.gateway.answer = None

        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"type": "port-status", "port": "1.02"})

        there.gateway.answer = answer
        assert "other than its status" in (await failure(there.driver(Generation.V2).read_status())).reason


async def test_v3_may_answer_with_the_http_status_alone() -> None:
    async with house(Generation.V3) as there:

        async def answer(_: web.Request) -> web.Response:
            return web.Response()

        there.gateway.answer = answer
        await there.driver(Generation.V3).lock([Slot(1, 1)])


ORDER = SmsOrder(258, Slot(1, 1), "+8613715266978", "x")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("status", "body", "reached"),
    [
        (200, b'[{"id": 258, "co', False),
        (200, b"", False),
        (200, b"<html>OK</html>", False),
        (200, b'{"code": 0}', False),
        (200, b" " * (2 * 1024 * 1024 + 1), False),
        (502, b"", False),
        (504, b"", False),
        (200, b'{"code": 7, "reason": "Server Error"}', True),
        (200, b'{"code": 1}', True),
        (400, b"", True),
        (401, b"", True),
    ],
)
async def test_messages_may_have_been_taken_unless_the_gateway_says_no(
    generation: Generation, status: int, body: bytes, reached: bool
) -> None:
    async with house(generation) as there:

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=status, body=body)

        there.gateway.answer = answer
        assert (await failure(there.driver(generation).send_sms([ORDER]))).reached is reached


async def test_an_endless_answer_is_cut() -> None:
    async with house(Generation.V2) as there:
        sent = 0

        async def answer(request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse()
            await response.prepare(request)
            while sent < 64 * 1024 * 1024:
                await response.write(b" " * 65536)
                sent += 65536
            return response

        there.gateway.answer = answer
        error = await failure(there.driver(Generation.V2).read_status())
        assert (error.gateway_code, error.retryable) == (None, False)
        assert "longer than 2097152 bytes" in error.reason
        assert sent < 32 * 1024 * 1024


async def test_a_silent_gateway() -> None:
    async with house(Generation.V2) as there:
        release = asyncio.Event()

        async def answer(_: web.Request) -> web.Response:
            await release.wait()
            return web.json_response({"code": 0})

        there.gateway.answer = answer
        for driver in (there.driver(Generation.V2, timeout=0.5), there.driver(timeout=0.5)):
            error = await failure(driver.lock([Slot(1, 1)]))
            assert (error.gateway_code, error.retryable) == (None, True)
            assert error.reason == "The gateway did not answer within 0.5 s."
        # A silent gateway is asked once, not once a generation.
        assert len(there.gateway.calls) == 2
        release.set()


async def test_a_gateway_that_hangs_up() -> None:
    async with house(Generation.V2) as there:

        async def answer(request: web.Request) -> web.Response:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        there.gateway.answer = answer
        error = await failure(there.driver(Generation.V2).lock([Slot(1, 1)]))
        assert (error.gateway_code, error.retryable) == (None, True)
        assert error.reason.startswith("The connection to the gateway failed")


async def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        async with aiohttp.ClientSession() as session:
            driver = EjoinDriver(session, f"http://127.0.0.1:{taken.getsockname()[1]}", USER, PASSWORD)
            error = await failure(driver.lock([Slot(1, 1)]))
            assert (error.gateway_code, error.retryable) == (None, True)
            assert error.reason == "The gateway cannot be reached."


async def test_a_gateway_that_changed_its_generation_is_probed_again_once() -> None:
    async with house(Generation.V3) as there:
        driver = there.driver(Generation.V2)
        await driver.lock([Slot(1, 2)])
        assert driver.generation is Generation.V3
        assert [path for _, path, _, _ in there.gateway.calls] == [
            "/goip_send_cmd.html",
            "/get_device_status",
            "/lock_sims",
        ]
        there.gateway.calls.clear()

        async def gone(_: web.Request) -> web.Response:
            return web.Response(status=404)

        there.gateway.answer = gone
        error = await failure(driver.lock([Slot(1, 2)]))
        assert (error.retryable, error.reason) == (False, "The gateway speaks none of the known APIs.")
        assert len(there.gateway.calls) == 4


async def test_a_command_unknown_after_the_probe_is_not_tried_for_ever() -> None:
    async with house(Generation.V3) as there:

        async def answer(request: web.Request) -> web.Response:
            return web.json_response(STATUS) if "status" in request.path else web.Response(status=404)

        there.gateway.answer = answer
        for driver in (there.driver(), there.driver(Generation.V3)):
            error = await failure(driver.lock([Slot(1, 2)]))
            assert (error.gateway_code, error.retryable) == (404, False)
        assert len(there.gateway.calls) == 2 + 3


async def test_a_probe_of_something_else_entirely() -> None:
    async with house(Generation.V2) as there:

        async def page(_: web.Request) -> web.Response:
            return web.Response(text="<html>welcome</html>")

        async def busy(_: web.Request) -> web.Response:
            return web.Response(status=503)

        there.gateway.answer = page
        assert (await failure(there.driver().probe())).retryable is False
        there.gateway.answer = busy
        assert (await failure(there.driver().probe())).retryable is True


async def test_nothing_shows_the_credentials(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with house(Generation.V2) as there:
        driver = there.driver()
        await driver.lock([Slot(1, 1)])
        await failure(there.driver(password="wrong").lock([Slot(1, 1)]))
        assert repr(driver) == f"EjoinDriver('{there.url}', generation=<Generation.V2: '2.x'>)"
    client = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]  # the test's server
    assert not [line for line in client if USER in line or "s3cr" in line]


@pytest.mark.parametrize("url", ["", "gateway", "ftp://h", "http://", "http://u:s3cret@h", "http://h/?password=s3cret"])
async def test_addresses_that_are_none(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="base_url") as caught:
            EjoinDriver(session, url, USER, PASSWORD)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://h/p?version=1.1&username=root&password=a%26b#x", "http://h/p?version=1.1&username=***&password=***#x"),
        ("http://h/p?Username=root&Password=&a=1", "http://h/p?Username=***&Password=***&a=1"),
        ("http://root:pw@h/p", "http://***@h/p"),
        ("GET /p?password=x HTTP/1.1", "GET /p?password=*** HTTP/1.1"),
        ("http://h/crypt?session=1&seq=2&auth=abc", "http://h/crypt?session=***&seq=2&auth=***"),
        ("http://h/@user", "http://h/@user"),
    ],
)
def test_redact(given: str, expected: str) -> None:
    assert redact(given) == expected
