"""The act of a truck whose card may be in one city: it leaves, is barred, comes home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.demo.world import expect, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.demo.world import World

FRAUD = "/iot-sim-fraud-prevention/v0.1"
SUBSCRIPTIONS = "/iot-sim-fraud-prevention-subscriptions/v0.1"
AREA_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.area-change"
HOME, AWAY = "gw1", "gw2"
PORT = 7
"""Free in both gateways."""


class Journey:
    """`card` is one that the first gateway holds, as its control server shows it; `say` as in `Story`."""

    def __init__(self, world: World, say: Callable[[str, str], None], card: dict[str, Any]) -> None:
        self._world = world
        self._say = say
        self._imsi = str(card["imsi"])
        self._device = {"phoneNumber": f"+{card['msisdn'].removeprefix('+')}"}

    async def play(self) -> None:
        """From the sites of the gateways to the card back at home and open. Raises StepFailed."""
        self._say("act", "A truck may be in its city, and nowhere else")
        await self._sites()
        await self._limit()
        self._say("act", "The truck leaves the city")
        await self._leave()
        self._say("act", "The truck comes home")
        await self._return()

    async def _sites(self) -> None:
        towns = []
        for gateway in (await self._world.look("/gateways"))["gateways"]:
            site = gateway["site"]
            await self._world.processes.command(
                *("gateway", "site", gateway["name"], "--at", f"{site['latitude']},{site['longitude']}"),
                *("--radius", str(site["radius"])),
            )
            towns.append(f"{gateway['name']} in {site['town']}")
        self._say("do", f"The operator says where the gateways stand: {', '.join(towns)}")

    async def _limit(self) -> None:
        world = self._world
        await until(self._is_at(HOME), f"the SIM {self._imsi} is known to be at the site of {HOME}")
        answer = await world.call(f"{FRAUD}/bind", {"device": self._device, "bindType": "AREALIMIT"})
        expect(answer == {"bound": True}, f"bind answered {answer}")
        self._say("do", "ACME binds the card to the area around the place where it is: CAMARA bind AREALIMIT")
        body = {"device": self._device}
        await world.call(
            f"{SUBSCRIPTIONS}/subscriptions",
            {
                "protocol": "HTTP",
                "sink": world.sink,
                "types": [AREA_CHANGE],
                "config": {"subscriptionDetail": body},
            },
            201,
        )
        self._say("do", "ACME subscribes to area-change")

    async def _leave(self) -> None:
        moved = await self._drive(AWAY)
        event = await until(lambda: self._changes(1), "the customer's sink is sent the change of area")
        await until(lambda: self._locked(AWAY), "the gateway shows the slot locked")
        bars = [bar["cause"] for bar in (await self._world.processes.command("sim", "show", self._imsi))["bars"]]
        expect(bars == ["AREA_EXIT"], f"the SIM is barred by {bars}")
        self._say("see", f"The bar AREA_EXIT stands, the slot at {AWAY} is locked")
        self._time(moved, event)

    async def _return(self) -> None:
        moved = await self._drive(HOME)
        event = await until(lambda: self._changes(2), "the customer's sink is sent that the SIM is back")
        await until(self._is_open, "every lock is lifted")

        async def effective() -> bool:
            return all(function["effective"] for function in (await self._world.explain(self._imsi))["functions"])

        await until(effective, "voice, SMS and data are open again")
        self._say("see", f"It is at {HOME} again: no bar stands, voice, SMS and data are open")
        self._time(moved, event)
        found = (await self._world.processes.command("sim", "places", self._imsi))["places"]
        expect([place["gateway"] for place in found] == [HOME, AWAY, HOME], f"its history is {found}")
        self._say("see", f"Its history of places: {', '.join(place['gateway'] for place in reversed(found))}")

    def _time(self, moved: int, event: dict[str, Any]) -> None:
        took = (int(event["received_ns"]) - moved) / 1e6
        self._say("time", f"{took:8.1f} ms  from the card's move to the event at the customer's sink")

    async def _drive(self, gateway: str) -> int:
        moved = await self._world.steer("/move", imsi=self._imsi, gateway=gateway, port=PORT, slot=1)
        return int(moved["moved_ns"])

    def _is_at(self, gateway: str) -> Callable[[], Any]:
        async def found() -> bool:
            told = await self._world.processes.command("sim", "places", self._imsi)
            newest = [told.get("now"), *told["places"][:1]]  # its history follows the new site behind the commit
            return [place and place.get("gateway") for place in newest] == [gateway, gateway]

        return found

    async def _changes(self, count: int) -> dict[str, Any] | None:
        events = [each for each in await self._world.sink_events() if _type(each) == AREA_CHANGE]
        return events[count - 1] if len(events) >= count else None

    async def _locked(self, gateway: str) -> bool:
        return f"{PORT}.01" in (await self._world.look(f"/gateways/{gateway}"))["locked"]

    async def _is_open(self) -> bool:
        return not any([await self._locked(HOME), await self._locked(AWAY)])


def _type(event: dict[str, Any]) -> str:
    body = event.get("body")
    return str(body.get("type", "")) if isinstance(body, dict) else ""
