"""The simulator in the console: there while virtual gateways run, and gone without them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import aiohttp
from tests.integration.management.house import imsi
from tests.support.virtual_gateways import virtual_gateways

from simwarden.sandbox.gateways import VirtualGateways

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.console.conftest import Site

ENTRY = 'href="/console/simulator"'
CARD = imsi(0)


async def test_a_sim_is_stolen_infected_cured_and_put_back(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "simulator"
    operator, viewer = await site.person("operator"), await site.person("viewer")
    async with aiohttp.ClientSession() as session:
        site.house.parts.simulator = VirtualGateways(file, session)
        assert (await operator.get("/simulator")).status == 404
        assert ENTRY not in operator.page
        async with virtual_gateways(file) as fleet:
            await operator.get("/simulator")
            assert ENTRY in operator.page
            await operator.get(f"/simulator?sim={CARD}")
            assert 'value="gw2/3/1"' in operator.page
            stolen = await operator.post("/simulator", do="move", sim=CARD, to="gw2/3/1")
            query = parse_qs(urlsplit(stolen.headers["location"]).query)
            assert (stolen.status, query["sim"], query["did"]) == (303, [CARD], ["move"])
            assert fleet.find(CARD) == (fleet.server("gw2"), (3, 1))
            await operator.get(stolen.headers["location"].removeprefix("/console"))
            assert 'value="gw1/1/1"' in operator.page, "the way home"
            assert 'class="steps' in operator.page
            for do in ("infect", "cure"):
                assert (await operator.post("/simulator", do=do, sim=CARD)).status == 303
                assert fleet.outbreaks[CARD].is_over == (do == "cure")
            assert (await operator.post("/simulator", do="cure", sim=CARD)).status == 404
            assert 'role="alert"' in operator.page
            assert (await operator.post("/simulator", do="move", sim=CARD, to="gw2/x")).status == 400
            down = await operator.post("/simulator", do="down", gateway="gw1")
            assert (await operator.get(down.headers["location"].removeprefix("/console"))).status == 200
            assert not fleet.server("gw1").online

            await viewer.get(f"/simulator?sim={CARD}")
            assert 'class="row doing"' not in viewer.page
            assert 'name="to"' not in viewer.page
            assert (await viewer.post("/simulator", do="move", sim=CARD, to="gw1/3/1")).status == 403
        assert (await operator.get("/simulator")).status == 404
    site.house.parts.simulator = None
