"""The control server of a running simulator: JSON over loopback, for tests, the demo and the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web

from simwarden.simulator.actions import FLEET_OPERATIONS, GATEWAY_OPERATIONS, perform, read_operation
from simwarden.simulator.errors import InvalidRequest, NotFound, SimulatorError
from simwarden.simulator.fleet import SimulatedFleet
from simwarden.simulator.messages import Message
from simwarden.simulator.pages import Handler
from simwarden.simulator.server import GatewayServer
from simwarden.simulator.serving import Serving

Entry = TypeVar("Entry")


def describe(server: GatewayServer) -> Message:
    """One gateway in numbers; the password is not among them."""
    gateway, reporter = server.gateway, server.reporter
    return {
        "name": server.name,
        "command_url": server.command_url,
        "generation": server.generation,
        "mac": gateway.mac,
        "ports": gateway.ports,
        "slots": gateway.slots,
        "cards": len(gateway.cards()),
        "locked": [str(place) for place in gateway.locked()],
        "online": server.online,
        "fault": server.executor.fault.name,
        "report_url": reporter.url,
        "interval": server.interval,
        "reports": {
            "sent": reporter.sent,
            "answered": reporter.answered,
            "rejected": reporter.rejected,
            "dropped": reporter.dropped,
        },
        "commands": server.executor.received,
        "seq": {"port": gateway.port_seq, "dev": gateway.dev_seq},
        "boots": gateway.boots,
        "site": None if server.site is None else server.site.describe(),
    }


def describe_cards(server: GatewayServer, fleet: SimulatedFleet) -> list[Message]:
    """Every card of a gateway: where it sits, where it was at the start, and what an infected device does with it."""
    gateway = server.gateway
    cards = []
    for place, sim in sorted(gateway.cards().items()):
        view = gateway.view(place)
        home = fleet.homes.get(sim.imsi)
        outbreak = fleet.outbreaks.get(sim.imsi)
        cards.append(
            {
                "imsi": sim.imsi,
                "iccid": sim.iccid,
                "msisdn": sim.msisdn,
                "gateway": server.name,
                "slot": str(place),
                "imei": view.imei,
                "st": view.st,
                "locked": gateway.is_locked(place),
                "home": None if home is None else {"gateway": home[0], "slot": str(home[1])},
                "outbreak": None if outbreak is None else asdict(outbreak),
            }
        )
    return cards


class ControlServer:
    """Steers a fleet. Listens on 127.0.0.1 only and asks for no password."""

    def __init__(self, fleet: SimulatedFleet, *, port: int = 0) -> None:
        self.fleet = fleet
        routes = [
            web.get("/gateways", self.gateways),
            web.get("/gateways/{name}", self.gateway),
            web.get("/gateways/{name}/commands", self.commands),
            web.get("/gateways/{name}/reports", self.reports),
            web.get("/sims", self.sims),
            web.get("/sims/{imsi}", self.sim),
        ]
        routes += [
            web.post(f"/gateways/{{name}}/{path}", self._on_gateway(k)) for path, k in GATEWAY_OPERATIONS.items()
        ]
        routes += [web.post(f"/{path}", self._on_fleet(kind)) for path, kind in FLEET_OPERATIONS.items()]
        self._serving = Serving(routes, port=port, middlewares=[errors_as_json])

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._serving.url

    async def start(self) -> None:
        """Listen."""
        await self._serving.start()

    async def close(self) -> None:
        """Stop listening."""
        await self._serving.close()

    async def gateways(self, _request: web.Request) -> web.Response:
        """All gateways."""
        return web.json_response({"gateways": [describe(server) for server in self.fleet.servers.values()]})

    async def gateway(self, request: web.Request) -> web.Response:
        """One gateway with its cards."""
        server = self.fleet.server(request.match_info["name"])
        return web.json_response(describe(server) | {"sims": describe_cards(server, self.fleet)})

    async def sims(self, _request: web.Request) -> web.Response:
        """The cards of all gateways."""
        servers = self.fleet.servers.values()
        return web.json_response({"sims": [card for each in servers for card in describe_cards(each, self.fleet)]})

    async def sim(self, request: web.Request) -> web.Response:
        """Where a card is."""
        server, place = self.fleet.locate(self.fleet.imsi(request.match_info["imsi"]))
        return web.json_response(
            next(card for card in describe_cards(server, self.fleet) if card["slot"] == str(place))
        )

    async def commands(self, request: web.Request) -> web.Response:
        """The last received commands, oldest first."""
        log = self.fleet.server(request.match_info["name"]).executor.log
        return web.json_response({"commands": [entry.describe() for entry in _last(request, list(log))]})

    async def reports(self, request: web.Request) -> web.Response:
        """The last pushes, oldest first."""
        history = self.fleet.server(request.match_info["name"]).reporter.history
        return web.json_response({"reports": [entry.describe() for entry in _last(request, list(history))]})

    def _on_gateway(self, kind: type[Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            body = await _read(request)
            body["gateway"] = request.match_info["name"]
            return web.json_response(await perform(self.fleet, read_operation(kind, body)))

        return handle

    def _on_fleet(self, kind: type[Any]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            return web.json_response(await perform(self.fleet, read_operation(kind, await _read(request))))

        return handle


async def _read(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    return body


def _last(request: web.Request, entries: list[Entry]) -> list[Entry]:
    text = request.query.get("limit", "100")
    if not text.isdecimal():
        raise InvalidRequest(f"limit must be a number, not {text!r}")
    return entries[-int(text) :] if int(text) else []


@web.middleware
async def errors_as_json(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """`{"error": {"status", "message"}}` for everything that cannot be done."""
    try:
        response: web.StreamResponse = await handler(request)
    except SimulatorError as error:
        return _error(error.status, str(error))
    except TimeoutError:
        return _error(504, "the push was not finished in time")
    except web.HTTPException as error:
        known = NotFound(f"there is no {request.method} {request.path}") if error.status == 404 else error
        return _error(error.status, str(known))
    return response


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"status": status, "message": message}}, status=status)
