"""The act of a bank that asks, before it trusts a payment, whether a number's device or card was changed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from simwarden.demo.world import expect, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.demo.world import World

FRAUD = "/iot-sim-fraud-prevention-subscriptions/v0.1"
SWAPS = "/sim-swap-subscriptions/v0.3"
IMEI_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"
SWAPPED = "org.camaraproject.sim-swap-subscriptions.v0.swapped"
SCOPES = ("device-swap:check", "device-swap:retrieve-date", "sim-swap:check", "sim-swap:retrieve-date")
AWAY = {"gateway": "gw2", "port": 5, "slot": 1}


class Bank:
    """`card` and `spare` are cards that the first gateway holds, as its control server shows them; `say` as in `Story`.

    The cards were imported with a date since when they have had their numbers.
    """

    def __init__(
        self, world: World, say: Callable[[str, str], None], card: dict[str, Any], spare: dict[str, Any]
    ) -> None:
        self._world = world
        self._say = say
        self._card = card
        self._spare = spare
        self._number = f"+{card['msisdn'].removeprefix('+')}"
        self._token = ""

    async def play(self) -> None:
        """From the bank's access token to a number that is in another card. Raises StepFailed."""
        self._say("act", "A bank asks whether a payment terminal is still what it was")
        await self._open()
        changes = await self._subscribe(FRAUD, IMEI_CHANGE, {"device": {"phoneNumber": self._number}})
        swaps = await self._subscribe(SWAPS, SWAPPED, {"phoneNumber": self._number})
        await self._asked(device=False, card=False)
        self._say("act", "The terminal's card is stolen, and brought back")
        for count, home in enumerate((AWAY, self._home()), 1):
            await self._world.steer("/move", imsi=self._card["imsi"], **home)
            event = await self._event(changes, count)
            await self._agree("device-swap/v1", "latestDeviceChange", event, "DEVICE_CHANGED", self._card)
            await self._asked(device=True, card=False)
        self._say("act", "The terminal's number moves to another card")
        await self._world.processes.command("sim", "update", self._card["imsi"], "--msisdn", "none")
        await self._world.processes.command("sim", "update", self._spare["imsi"], "--msisdn", self._number)
        self._say("do", f"The operator gives {self._number} to the SIM {self._spare['imsi']}")
        event = await self._event(swaps, 1)
        await self._agree("sim-swap/v2", "latestSimChange", event, "SIM_CHANGED", self._spare)
        await self._asked(device=True, card=True)

    async def _open(self) -> None:
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        made = ("app", "create", "--account", "ACME", "--name", "bank", *scopes)
        app = await self._world.processes.command(*made)
        self._token = await self._world.token_of(app["appKey"], app["appSecret"])
        self._say(
            "do", f"The bank gets an application that may ask about swaps, and nothing else ({', '.join(SCOPES)})"
        )

    async def _subscribe(self, path: str, type_: str, detail: dict[str, Any]) -> str:
        body = {
            "protocol": "HTTP",
            "sink": self._world.sink,
            "types": [type_],
            "config": {"subscriptionDetail": detail},
        }
        made = await self._world.call(f"{path}/subscriptions", body, 201)
        return str(made["id"])

    async def _asked(self, *, device: bool, card: bool) -> None:
        body = {"phoneNumber": self._number, "maxAge": 24}
        answers = (
            await self._world.call("/device-swap/v1/check", body, token=self._token),
            await self._world.call("/sim-swap/v2/check", body, token=self._token),
        )
        expect(answers == ({"swapped": device}, {"swapped": card}), f"the checks answered {answers}")
        self._say("see", f"Swapped in the last 24 hours? CAMARA device-swap: {_word(device)}, sim-swap: {_word(card)}")

    async def _agree(self, api: str, name: str, event: dict[str, Any], kind: str, card: dict[str, Any]) -> None:
        """The API's date, the event at the sink and what `explain` tells name the same second."""
        answer = await self._world.call(f"/{api}/retrieve-date", {"phoneNumber": self._number}, token=self._token)
        told = (await self._world.explain(card["imsi"]))["history"]
        recorded = [step["at"] for step in told if step["type"] == kind]
        expect(bool(recorded), f"sim explain tells of no {kind}")
        times = [answer[name], event["body"]["time"], max(recorded)]
        seconds = {datetime.fromisoformat(time).replace(microsecond=0) for time in times}
        expect(len(seconds) == 1, f"date, event and explain say {times}")
        self._say("see", f"{name} {answer[name]}: the event at the sink and sim explain say the same second")

    def _home(self) -> dict[str, Any]:
        port, _, slot = str(self._card["slot"]).partition(".")
        return {"gateway": "gw1", "port": int(port), "slot": int(slot)}

    async def _event(self, subscription: str, count: int) -> dict[str, Any]:
        """The change with this number that a subscription told of."""

        async def told() -> dict[str, Any] | None:
            events = [event for event in await self._world.sink_events() if _concerns(event, subscription)]
            return events[count - 1] if len(events) >= count else None

        event: dict[str, Any] = await until(told, f"the sink is told of change {count} by subscription {subscription}")
        return event


def _concerns(event: dict[str, Any], subscription: str) -> bool:
    body = event.get("body")
    if not isinstance(body, dict) or body.get("type") not in (IMEI_CHANGE, SWAPPED):
        return False
    return bool(body.get("data", {}).get("subscriptionId") == subscription)


def _word(swapped: bool) -> str:  # noqa: FBT001 - it is the answer
    return "yes" if swapped else "no"
