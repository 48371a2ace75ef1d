"""The hook around every test finds an answer that breaks a contract, wherever it comes from."""

from __future__ import annotations

import contextlib

import aiohttp
import pytest
from tests.conformance.contract import camaras
from tests.conformance.hook import Watch
from tests.integration.notify.sink import Sink
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import Client, World

from simwarden.accounts.scopes import of_operations
from simwarden.northbound import DOCUMENTS
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.edge import Edge

NAME = "iot-sim-fraud-prevention"


async def _odd(_request: Request) -> Answer:
    return Answer(200, {"bound": "perhaps"})


async def test_an_answer_of_this_process_is_seen() -> None:
    world, watch = World(), Watch()
    endpoint = Endpoint("bindDeviceImei", _odd, has_body=False)
    odd = Api(NAME, {"/v0.1/bind": {"POST": endpoint}}, of_operations(DOCUMENTS[NAME]), Edge(tokens=world))
    with watch.looking():
        await Client(world.app)("POST", f"/{NAME}/v0.1/query", {"queryType": "IMEIBIND"})
        assert (watch.answers, watch.broken) == (1, [])
    with pytest.MonkeyPatch.context() as patch, watch.looking():
        # The test's own hook must not see it.
        patch.setattr(Watch, "saw", lambda self, *seen: _saw(self, *seen) if self is watch else None)
        await call(odd, "POST", "/v0.1/bind", headers=[("authorization", "Bearer good")])
    assert watch.answers == 2
    assert ["'perhaps' is not of type" in one for one in watch.broken] == [True]


async def test_an_answer_over_http_is_seen() -> None:
    watch = Watch()
    async with Sink() as server, aiohttp.ClientSession() as session:
        with pytest.MonkeyPatch.context() as patch, watch.looking():
            patch.setattr(Watch, "saw", lambda self, *seen: _saw(self, *seen) if self is watch else None)
            async with session.post(f"http://127.0.0.1:{server.port}/{NAME}/v0.1/bind", json={}):
                pass
            async with session.post(f"http://127.0.0.1:{server.port}/elsewhere", json={}):
                pass
    assert watch.answers == 1
    assert ["x-correlator is missing" in one for one in watch.broken] == [True]


_saw = Watch.saw


@pytest.mark.skipif(camaras(f"{NAME}-subscriptions") is None, reason="CAMARA's documents are not at hand")
async def test_an_event_that_breaks_the_document_fails_the_test_whose_sink_got_it() -> None:
    event = {"id": "1", "source": "urn:x", "specversion": "1.0", "time": "2026-11-21T12:00:00Z"}
    event["type"] = f"org.camaraproject.{NAME}.v0.imei-change"
    data = {"subscriptionId": "1", "imei": "352099001761481", "device": {"phoneNumber": "+8613800000001"}}
    for sent, good in (
        ({**event, "data": data}, True),
        ({**event, "data": {**data, "device": {}}}, False),
        (event, True),
    ):
        sink = await Sink().__aenter__()
        async with aiohttp.ClientSession() as session, session.post(sink.url, json=sent):
            pass
        with contextlib.nullcontext() if good else pytest.raises(AssertionError, match="CAMARA's document"):
            await sink.__aexit__(None)
