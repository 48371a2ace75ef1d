"""The act of a meter that is infected at night: it sends masses of messages, a rule bars it, a person releases it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.demo.world import expect, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.demo.world import World

SUBSCRIPTIONS = "/rule-alert-subscriptions/v0.1"
RULE_FIRED = "org.simwarden.rule-alert-subscriptions.v0.rule-fired"
AT_LEAST = 20
SENT = 2_000
RATE = 50
RULE = (
    *("infected", "--account", "ACME", "--when", f"smsSent:{AT_LEAST}", "--when", "receivers:10", "--in", "10m"),
    *("--bar", "VOICE", "--bar", "SMS", "--bar", "DATA", "--for", "24h", "--tag", "infected", "--alert"),
)


class InfectedMeter:
    """`imsi`, `msisdn` and `place` (gateway and slot) are of the meter's card; `say` as in `Story`."""

    def __init__(
        self, world: World, say: Callable[[str, str], None], imsi: str, msisdn: str, place: tuple[str, str]
    ) -> None:
        self._world = world
        self._say = say
        self._imsi = imsi
        self._msisdn = msisdn
        self._gateway, self._slot = place

    async def play(self) -> None:
        """From the rule to the card that works again. Raises StepFailed."""
        world, command = self._world, self._world.processes.command
        self._say("act", "The meter is infected at night")
        await command("rule", "add", *RULE)
        tried = await command("rule", "dry-run", "ACME", "--rule", "infected")
        expect(tried["met"] == [], f"the dry run found {tried['met']}")
        self._say(
            "do", f"The operator sets a rule: {AT_LEAST} messages to 10 numbers in 10 minutes, then bar for a day"
        )
        self._say("see", f"A dry run over 7 days: none of {tried['sims']} SIMs would have met it")
        detail = {"device": {"phoneNumber": self._msisdn}}
        wish = {"sink": world.sink, "types": [RULE_FIRED], "config": {"subscriptionDetail": detail}}
        await world.call(f"{SUBSCRIPTIONS}/subscriptions", {"protocol": "HTTP", **wish}, 201)
        await world.steer("/mass-sms", imsi=self._imsi, count=SENT, rate=RATE)
        self._say("do", f"ACME subscribes to alerts. The meter begins to send {SENT} messages, {RATE} a second")
        await until(self._locked, "the gateway shows the slot locked")
        told = await until(self._ended, "Simwarden has seen the lock confirmed")
        bars = [(bar["cause"], function["function"]) for function in told["functions"] for bar in function["bars"]]
        expect(sorted(bars) == [("RISK", name) for name in ("DATA", "SMS", "VOICE")], f"the bars are {bars}")
        event = await until(self._alert, "the customer's sink is told of the rule")
        counted = event["body"]["data"]["counted"]
        self._say("see", f"The rule barred it (RISK) and the slot is locked; the sink is told: {counted}")
        self._say("note", "simwarden sim explain:")
        for step in told["chain"]:
            by = f"caused by {step['causedBy']}" if step.get("causedBy") else step["cause"].get("message", "")
            self._say("note", f"  {step['n']}. {step['type']}  ({by})")
        await command("sim", "release", self._imsi)
        await until(self._works, "voice, SMS and data are open, and the slot is")
        self._say("see", "A person looks at the meter and releases its SIM: it works again")

    async def _locked(self) -> bool:
        return self._slot in (await self._world.look(f"/gateways/{self._gateway}"))["locked"]

    async def _ended(self) -> dict[str, Any] | None:
        told = await self._world.explain(self._imsi)
        types = [step["type"] for step in told["chain"]]
        wanted = ["RULE_FIRED", "BAR_RAISED", "ENFORCEMENT_COMMANDED", "ENFORCEMENT_APPLIED"]
        return told if [each for each in types if each in wanted] == wanted else None

    async def _alert(self) -> dict[str, Any] | None:
        events = await self._world.sink_events()
        return next((each for each in events if (each.get("body") or {}).get("type") == RULE_FIRED), None)

    async def _works(self) -> bool:
        told = await self._world.explain(self._imsi)
        return all(each["effective"] for each in told["functions"]) and not await self._locked()
