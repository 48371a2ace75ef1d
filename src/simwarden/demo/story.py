"""The story itself. Every sentence that claims something is printed after that has been seen to be so."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from simwarden.demo.bank import Bank
from simwarden.demo.infected import InfectedMeter
from simwarden.demo.journey import Journey
from simwarden.demo.mobile import MobileCard
from simwarden.demo.world import expect, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.demo.world import World

FRAUD = "/iot-sim-fraud-prevention/v0.1"
FUNCTIONS = "/device-communication-function/vwip"
LIFECYCLE = "/iot-device-management/vwip"
SUBSCRIPTIONS = "/iot-sim-fraud-prevention-subscriptions/v0.1"
IMEI_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"
HOME = ("gw1", "1.01")
THIEF = ("gw2", "6.01")
TRUCK = "2.01"
"""Where the truck's card is in the first gateway."""
TERMINALS = ("3.01", "4.01")
"""Where there are the card of a payment terminal, and a spare one."""
ACTIVATED = "2025-01-31"
"""Since when the cards have had their numbers."""


class Story:
    """`say` prints a line for people: kind (act, do, see, time, note) and text."""

    def __init__(self, world: World, say: Callable[[str, str], None]) -> None:
        self._world = world
        self._say = say
        self._imsi = ""
        self._msisdn = ""
        self._home_imei = ""
        self._thief_imei = ""
        self._truck: dict[str, Any] = {}
        """Another card of the first gateway."""
        self._terminals: list[dict[str, Any]] = []
        """Two more."""

    async def play(self) -> None:
        """From an empty house to a stolen card blocked and back, a mobile card's packets, the owner's own switches, an
        infected meter, a truck that leaves its city, and a bank's questions. Raises StepFailed."""
        await self._set_the_scene()
        await self._bind()
        await self._stolen()
        await self._returned()
        await MobileCard(self._world, self._say).play()
        await self._controlled()
        await InfectedMeter(self._world, self._say, self._imsi, self._msisdn, HOME).play()
        await Journey(self._world, self._say, self._truck).play()
        await Bank(self._world, self._say, *self._terminals).play()
        refused = [event for event in await self._world.sink_events() if event["status"] != 204]
        expect(not refused, f"the sink refused {refused}")

    async def _set_the_scene(self) -> None:
        world = self._world
        self._say("act", "The scene")
        await world.start_server()
        self._say("see", f"A fresh server runs on {world.url}, with its own PostgreSQL")
        await world.start_simulators(
            "--gateways", "2", "--ports", "8", "--slots", "2", "--fill", "0.25", "--interval", "5"
        )
        self._say("see", f"Two virtual SIM gateways and a customer's sink ({world.sink}) run as processes of their own")
        await world.processes.command("account", "create", "ACME")
        app = await world.processes.command(
            "app", "create", "--account", "ACME", "--name", "meters", "--scopes", "control"
        )
        await world.log_in(app["appKey"], app["appSecret"])
        self._say("do", "ACME gets an account, its application an APPKEY, an APPSECRET and an access token")
        cards = (await world.look("/gateways/gw1"))["sims"]
        card = next(card for card in cards if card["slot"] == HOME[1])
        self._imsi, self._msisdn, self._home_imei = card["imsi"], _plus(card["msisdn"]), card["imei"]
        self._truck = next(each for each in cards if each["slot"] == TRUCK)
        self._terminals = [next(each for each in cards if each["slot"] == slot) for slot in TERMINALS]
        rows = [f"{card['iccid']},{card['imsi']},{_plus(card['msisdn'])},{ACTIVATED}" for card in cards]
        listing = world.processes.directory / "sims.csv"
        listing.write_text("\n".join(["iccid,imsi,msisdn,activated", *rows]) + "\n")
        done = await world.processes.command("sim", "import", "--account", "ACME", str(listing))
        self._say("do", f"{done['added']} SIM cards are imported")
        for gateway in world.gateways:
            made = await world.processes.command(
                *("gateway", "add", "--name", gateway["name"], "--command-url", gateway["command_url"]),
                *("--username", gateway["username"], "--password", gateway["password"], "--interval", "5"),
            )
            await world.steer(f"/gateways/{gateway['name']}/report-url", url=made["reportUrl"], report_now=True)
        self._say("do", "Both gateways are registered; each reports to its own secret URL")

    async def _bind(self) -> None:
        world = self._world
        self._say("act", "The water meter's card is bound to its device")
        await until(self._seen, f"the SIM {self._imsi} is seen in its device {self._home_imei}")
        self._say("see", f"SIM {self._imsi} is seen in device {self._home_imei} (gateway {HOME[0]}, port {HOME[1]})")
        device = {"phoneNumber": self._msisdn}
        answer = await world.call(f"{FRAUD}/bind", {"device": device, "bindType": "IMEIBIND"})
        expect(answer == {"bound": True}, f"bind answered {answer}")
        status = await self._query()
        expect(status == {"bindImei": self._home_imei, "bindStatus": "BOUND"}, f"query answered {status}")
        self._say("do", f"CAMARA bind; query answers {status}")
        await world.call(
            f"{SUBSCRIPTIONS}/subscriptions",
            {
                "protocol": "HTTP",
                "sink": world.sink,
                "types": [IMEI_CHANGE],
                "config": {"subscriptionDetail": {"device": device}},
            },
            201,
        )
        await until(lambda: self._delivered("subscription-started"), "the sink hears that the subscription started")
        self._say("do", "ACME subscribes to imei-change; its sink hears that the subscription started")

    async def _stolen(self) -> None:
        self._say("act", f"The card is stolen and put into another device ({THIEF[0]}, port {THIEF[1]})")
        moved = await self._move(*THIEF)
        event = await until(lambda: self._imei_changes(1), "the customer's sink is told of the new device")
        self._thief_imei = event["body"]["data"]["imei"]
        await until(lambda: self._locked(THIEF), "the gateway shows the slot locked")
        await until(lambda: self._applied(locked=True), "Simwarden has seen the lock confirmed")
        self._say("see", f"The slot is locked: status 12 at {THIEF[0]} port {THIEF[1]}. The card is of no use there.")
        self._say("see", f"The sink holds a CloudEvent: {IMEI_CHANGE}, imei {self._thief_imei}")
        await self._times(THIEF, "lock", moved, event)
        self._say("note", "simwarden sim explain:")
        for step in (await self._world.explain(self._imsi))["chain"]:
            facts = ", ".join(f"{name} {value}" for name, value in step["data"].items() if value not in (None, ""))
            by = f"caused by {step['causedBy']}" if step.get("causedBy") else f"{step['cause']['source']}"
            self._say("note", f"  {step['n']}. {step['type']}  {facts}  ({by}: {step['cause'].get('message', '')})")

    async def _returned(self) -> None:
        self._say("act", "The card is back in its meter")
        moved = await self._move(*HOME)
        event = await until(lambda: self._imei_changes(2), "the customer's sink is told that the card is back")
        expect(event["body"]["data"]["imei"] == self._home_imei, f"the second event tells {event['body']['data']}")
        await until(lambda: self._open_again(), "every lock is lifted")
        await until(lambda: self._applied(locked=False), "Simwarden has seen the lock lifted")
        self._say("see", f"The lock at {THIEF[0]} is lifted, the card works in {self._home_imei} again")
        await self._times(THIEF, "unlock", moved, event)
        status = await self._query()
        expect(status == {"bindImei": self._home_imei, "bindStatus": "BOUND"}, f"query answered {status}")
        told = await self._world.explain(self._imsi)
        expect(told["bindingState"] == "LOCKED", f"the binding's state is {told['bindingState']}")
        expect(all(function["effective"] for function in told["functions"]), "a function is still barred")
        self._say("see", f"The binding is {told['bindingState']}; voice, SMS and data are open")

    async def _controlled(self) -> None:
        world = self._world
        self._say("act", "The owner closes data only, then suspends the card and restores it")
        device = {"phoneNumber": self._msisdn}
        answer = await world.call(f"{FUNCTIONS}/deactivate", {"device": device, "functionType": "DATA"})
        expect(answer == {"functionType": "DATA", "functionStatus": "inactive"}, f"deactivate answered {answer}")
        told = await self._world.explain(self._imsi)
        off = [function["function"] for function in told["functions"] if not function["effective"]]
        expect(off == ["DATA"], f"off are {off}")
        [place] = told["places"]
        expect(place["seen"] == "open" and bool(place["note"]), f"the slot is told as {place}")
        expect(not await self._locked(HOME), "the slot is locked")
        self._say("see", f"Data is closed, voice and SMS work. The slot at {HOME[0]} stays open: {place['note']}")
        await self._take("suspend", device)
        await until(lambda: self._locked(HOME), "the gateway shows the slot locked")
        told = await self._world.explain(self._imsi)
        expect(not any(function["effective"] for function in told["functions"]), "a function works while suspended")
        self._say("see", f"The card is SUSPENDED, its slot locked: status 12 at {HOME[0]} port {HOME[1]}")
        await self._take("restore", device)
        await until(self._open_again, "the gateway shows the slot open")
        told = await self._world.explain(self._imsi)
        off = [function["function"] for function in told["functions"] if not function["effective"]]
        expect((told["lifecycle"], off) == ("ACTIVE", ["DATA"]), f"restored, it is {told['lifecycle']}, off {off}")
        self._say("see", "It is ACTIVE again and its slot open; data stays closed: restoring lifts no other bar")
        await world.call(f"{FUNCTIONS}/activate", {"device": device, "functionType": "DATA"})
        told = await self._world.explain(self._imsi)
        expect(all(function["effective"] for function in told["functions"]), "a function is still barred")
        self._say("see", "Data is open again: voice, SMS and data work")

    async def _take(self, step: str, device: dict[str, Any]) -> None:
        """A step in the card's life: accepted at once, done in the background."""
        accepted = await self._world.call(f"{LIFECYCLE}/{step}", {"devices": [device]}, 202)
        path = f"{LIFECYCLE}/operations/{accepted['operationId']}"

        async def done() -> dict[str, Any] | None:
            found = await self._world.read(path)
            return found if found["status"] == "COMPLETED" else None

        found = await until(done, f"the operation to {step} it is completed")
        expect(found["progress"]["succeeded"] == 1, f"the operation answered {found}")
        self._say("do", f"IoT Device Management {step}: accepted, and done")

    async def _move(self, gateway: str, slot: str) -> int:
        port, _, number = slot.partition(".")
        moved = await self._world.steer("/move", imsi=self._imsi, gateway=gateway, port=int(port), slot=int(number))
        return int(moved["moved_ns"])

    async def _times(self, place: tuple[str, str], op: str, since: int, event: dict[str, Any]) -> None:
        """What the processes themselves wrote down: all on one machine's clock."""
        gateway = place[0] if op == "lock" else HOME[0]
        slot = place[1] if op == "lock" else HOME[1]
        reports = (await self._world.look(f"/gateways/{gateway}/reports"))["reports"]
        start = next(r for r in reports if r["sent_ns"] >= since and slot in r["slots"] and r["type"] == "port-status")
        commands = (await self._world.look(f"/gateways/{place[0]}/commands"))["commands"]
        command = next(c for c in commands if c["op"] == op and c["received_ns"] >= since and place[1] in c["slots"])
        chain = (await self._world.explain(self._imsi))["chain"]
        applied = [step for step in chain if step["type"] == "ENFORCEMENT_APPLIED"][-1]
        confirmed = int(datetime.fromisoformat(applied["at"]).timestamp() * 1e9)
        zero = start["sent_ns"]
        self._say("time", f"{0:8.1f} ms  the gateway reports the card ({gateway} port {slot})")
        for at, what in sorted(
            [
                (start["answered_ns"], "the decision is committed and the report answered"),
                (command["received_ns"], f"the {op} command is at the gateway"),
                (confirmed, f"the {op} is confirmed by the gateway's own report"),
                (int(event["received_ns"]), "the event is at the customer's sink"),
            ]
        ):
            self._say("time", f"{(at - zero) / 1e6:8.1f} ms  {what}")

    async def _seen(self) -> bool:
        found = await self._world.processes.command("sim", "show", self._imsi)
        return bool(found.get("device") == self._home_imei)

    async def _query(self) -> dict[str, Any]:
        body = {"device": {"phoneNumber": self._msisdn}, "queryType": "IMEIBIND"}
        answer = await self._world.call(f"{FRAUD}/query", body)
        bound: dict[str, Any] = answer["imeiBind"]
        return bound

    async def _delivered(self, name: str) -> bool:
        return any(_type(event).endswith(name) for event in await self._world.sink_events())

    async def _imei_changes(self, count: int) -> dict[str, Any] | None:
        found = [event for event in await self._world.sink_events() if _type(event) == IMEI_CHANGE]
        return found[count - 1] if len(found) >= count else None

    async def _locked(self, place: tuple[str, str]) -> bool:
        return place[1] in (await self._world.look(f"/gateways/{place[0]}"))["locked"]

    async def _open_again(self) -> bool:
        return not any([await self._locked(THIEF), await self._locked(HOME)])

    async def _applied(self, *, locked: bool) -> bool:
        chain = (await self._world.explain(self._imsi))["chain"]
        return any(step["type"] == "ENFORCEMENT_APPLIED" and step["data"]["locked"] is locked for step in chain)


def _type(event: dict[str, Any]) -> str:
    body = event.get("body")
    return str(body.get("type", "")) if isinstance(body, dict) else ""


def _plus(number: str) -> str:
    return number if number.startswith("+") else f"+{number}"
