"""Small stories in TOML that are played on the virtual gateways: a card moves, a gateway dies, a device is infected.

A file has a `title` and `[[steps]]`; each step says when (`at`, seconds after the start), what (`action`, one of the
operations of the control server) and the parameters of that operation.
"""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from simwarden.simulator.actions import ACTIONS, perform, read_operation
from simwarden.simulator.errors import InvalidRequest, NotFound, SimulatorError
from simwarden.simulator.fleet import SimulatedFleet

#: Longest file that is read, in bytes.
LARGEST_FILE = 1 << 20


class ScenarioError(SimulatorError):
    """The scenario cannot be played."""


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One thing to do."""

    number: int
    """From 1, in the order of the file."""

    at: float
    """Seconds after the start."""

    action: str
    operation: Any

    def __str__(self) -> str:
        return f"step {self.number} ({self.action})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: its steps in the order of time."""

    name: str
    title: str
    steps: tuple[ScenarioStep, ...]


def packaged() -> list[str]:
    """The names of the scenarios that come with Simwarden."""
    folder = resources.files("simwarden.simulator") / "scenarios"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_scenario(name: str) -> Scenario:
    """Read a packaged scenario by its name, or a file by its path."""
    if name in packaged():
        source = resources.files("simwarden.simulator") / "scenarios" / f"{name}.toml"
        return read_scenario(source.read_text(), name)
    path = Path(name)
    if not path.is_file():
        raise ScenarioError(f"there is no scenario {name!r}: give a file, or one of {', '.join(packaged())}")
    if path.stat().st_size > LARGEST_FILE:
        raise ScenarioError(f"{name}: larger than {LARGEST_FILE} bytes")
    try:
        return read_scenario(path.read_text(), name)
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{name}: not UTF-8 text: {error}") from error


def read_scenario(text: str, name: str) -> Scenario:
    """Read and check the text of a scenario; errors name the file and the step."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: not TOML: {error}") from error
    if unknown := sorted(document.keys() - {"title", "steps"}):
        raise ScenarioError(f"{name}: unknown key {unknown[0]!r}; a scenario has title and [[steps]]")
    title, rows = document.get("title"), document.get("steps")
    if not isinstance(title, str) or not title:
        raise ScenarioError(f"{name}: title must be a text")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ScenarioError(f"{name}: at least one [[steps]] is needed")
    steps = [_read_step(row, number, name) for number, row in enumerate(rows, start=1)]
    return Scenario(name, title, tuple(sorted(steps, key=lambda step: step.at)))


def _read_step(row: dict[str, Any], number: int, name: str) -> ScenarioStep:
    parameters = dict(row)
    at, action = parameters.pop("at", None), parameters.pop("action", None)
    if not isinstance(action, str) or action not in ACTIONS:
        problem = "action is missing" if action is None else f"unknown action {action!r}"
        raise ScenarioError(f"{name}: step {number}: {problem}; there are {', '.join(sorted(ACTIONS))}")
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e6:
        raise ScenarioError(f"{name}: step {number} ({action}): at must be the seconds after the start, not {at!r}")
    try:
        return ScenarioStep(number, float(at), action, read_operation(ACTIONS[action], parameters))
    except InvalidRequest as error:
        raise ScenarioError(f"{name}: step {number} ({action}): {error}") from error


def check_scenario(scenario: Scenario, fleet: SimulatedFleet) -> None:
    """Whether the fleet has the gateways and slots that the steps name; raises ScenarioError otherwise."""
    for step in scenario.steps:
        name = getattr(step.operation, "gateway", None)
        port, slot = getattr(step.operation, "port", None), getattr(step.operation, "slot", None)
        try:
            if name is not None:
                gateway = fleet.server(name).gateway
                if port is not None and slot is not None:
                    gateway.place(port, slot)
        except NotFound as error:
            raise ScenarioError(f"{scenario.name}: {step}: {error}") from error


async def play(scenario: Scenario, fleet: SimulatedFleet) -> None:
    """Do the steps at their time and tell each (`step`); one that cannot be done is told too (`step-failed`)."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for step in scenario.steps:
        await asyncio.sleep(max(begin + step.at - loop.time(), 0))
        try:
            result = await perform(fleet, step.operation)
        except (SimulatorError, TimeoutError) as error:
            reason = str(error) or "it took too long"
            fleet.happened("step-failed", step=step.number, action=step.action, error=reason)
        else:
            fleet.happened("step", step=step.number, at=step.at, action=step.action, result=result)
    fleet.happened("scenario-ended", scenario=scenario.name, title=scenario.title)
