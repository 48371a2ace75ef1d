"""What a command does to a gateway, the same for every API generation: recorded, delayed, applied, reported."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simwarden.simulator.faults import Fault, FaultName
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.messages import Form, Message
from simwarden.simulator.reporter import Reporter, SentReport
from simwarden.simulator.slot_addresses import SlotAddress

#: Commands remembered for the control server.
HISTORY = 10_000

#: The answers of HTTP API 2.x ("Codes"), as far as they are used here.
REASONS = {
    0: "OK",
    1: "Invalid User",
    2: "Invalid Port",
    5: "SIM Unregistered",
    7: "Server Error",
    8: "SMS Expected",
    9: "TO Expected",
    11: "TID Expected",
    12: "FROM Expected",
    13: "Duplicated TaskId",
    15: "Invalid CMD",
    200: "OK",
}


def answer(code: int, reason: str | None = None, **more: Any) -> Message:
    """The body every command is answered with."""
    return {"code": code, "reason": reason or REASONS.get(code, "Error")} | more


@dataclass(slots=True, eq=False)
class ReceivedCommand:
    """One received command; times are wall-clock epoch nanoseconds."""

    op: str
    path: str
    slots: list[str]
    received_ns: int
    fault: FaultName = "none"
    http_status: int | None = None
    code: int | None = None
    effect_ns: int | None = None

    def describe(self) -> dict[str, Any]:
        """The form of the control server."""
        return {
            "op": self.op,
            "path": self.path,
            "slots": self.slots,
            "received_ns": self.received_ns,
            "fault": self.fault,
            "result": {"http_status": self.http_status, "code": self.code},
            "effect_ns": self.effect_ns,
        }


class Executor:
    """Applies commands to one gateway after `effect_delay` seconds and lets the reporter tell what changed."""

    def __init__(self, gateway: VirtualGateway, reporter: Reporter, *, form: Form, effect_delay: float = 0.02) -> None:
        self.gateway = gateway
        self.reporter = reporter
        self.form: Form = form
        self.effect_delay = effect_delay
        self.fault = Fault()
        self.log: deque[ReceivedCommand] = deque(maxlen=HISTORY)
        self.received = 0
        self.tasks: set[int] = set()
        """SMS tasks that were taken, by number."""
        self.on_command: Callable[[ReceivedCommand], None] = lambda _command: None
        self._timers: set[asyncio.TimerHandle] = set()

    def record(
        self, op: str, path: str, slots: Iterable[SlotAddress] = (), fault: FaultName = "none"
    ) -> ReceivedCommand:
        """Remember a command that has just arrived."""
        self.received += 1
        command = ReceivedCommand(op, path, [str(place) for place in slots], time.time_ns(), fault)
        self.log.append(command)
        self.on_command(command)
        return command

    def report(self, places: Iterable[SlotAddress]) -> list[SentReport]:
        """Push a `port-status` for each of these slots."""
        return [
            self.reporter.push("port-status", self.gateway.port_status(place, self.form), [str(place)])
            for place in places
        ]

    def run(self, command: ReceivedCommand, places: list[SlotAddress]) -> None:
        """Let a checked command take effect (not when the device lies)."""
        gateway = self.gateway
        match command.op:
            case "lock":
                self._later(command, lambda: gateway.lock(places))
            case "unlock":
                self._later(command, lambda: gateway.unlock(places))
            case "switch":
                self._later(command, lambda: [slot for place in places for slot in gateway.switch(*place)])
            case "reset":
                self._later(command, lambda: self._reset(places))
            case "reboot":
                self._later(command, self._reboot)
            case _:
                """save, redial and the LEDs change nothing that is reported."""

    def do_later(self, command: ReceivedCommand, action: Callable[[], None]) -> None:
        """Any other effect, after the same delay and under the same faults."""

        def act() -> list[SlotAddress]:
            action()
            return []

        self._later(command, act)

    def close(self) -> None:
        """Forget what has not taken effect yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _later(self, command: ReceivedCommand, change: Callable[[], list[SlotAddress]]) -> None:
        if command.fault == "lie":
            return

        def apply() -> None:
            changed = change()
            command.effect_ns = time.time_ns()
            if command.fault != "no_report":
                self.report(changed)

        self._timer(apply)

    def _timer(self, action: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(self.effect_delay, fire)
        self._timers.add(timer)

    def _reset(self, places: list[SlotAddress]) -> list[SlotAddress]:
        """A module restart: its cards register again (st 2), then are back."""
        changed = self.gateway.set_registering([p for p in places if self.gateway.card(p) is not None], on=True)

        def back() -> None:
            self.report(self.gateway.set_registering(changed, on=False))

        self._timer(back)
        return changed

    def _reboot(self) -> list[SlotAddress]:
        """The device restarts its counters and introduces itself with a dev-status."""
        self.gateway.reboot()
        self.reporter.push("dev-status", self.gateway.dev_status(self.form))
        return []
