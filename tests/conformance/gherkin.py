"""As much of Gherkin as CAMARA's feature files use: a background, tagged scenarios, outlines with examples, steps."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

_STEP = re.compile(r"(?:Given|When|Then|And|But) (.+)")


class Scenario(msgspec.Struct, frozen=True):
    """One scenario, its feature's background in front."""

    tag: str
    """The first tag without its @; CAMARA gives every scenario one."""
    name: str
    steps: tuple[str, ...]


class UnknownStep(Exception):
    """No step of the library has these words."""


class StepFailed(AssertionError):
    """A step did not find what it says."""


def scenarios(text: str) -> list[Scenario]:
    """Read a feature file. Raises ValueError for a line that is none of what is understood here."""
    background: list[str] = []
    found: list[_Outline] = []
    steps: list[str] | None = None
    tag = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        step = _STEP.fullmatch(line)
        if not line or line.startswith(("#", "Feature:")):
            continue
        if line.startswith("@"):
            tag = line.split()[0].removeprefix("@")
        elif line.startswith("Background:"):
            steps = background
        elif line.startswith(("Scenario:", "Scenario Outline:")):
            steps = []
            found.append(_Outline(tag, line.partition(":")[2].strip(), steps))
        elif line.startswith("Examples:") and found:
            steps = None
            found[-1].examples = []
        elif line.startswith("|") and found and found[-1].examples is not None:
            found[-1].examples.append([cell.strip() for cell in line.strip("|").split("|")])
        elif step is not None and steps is not None:
            steps.append(step[1].strip())
        else:
            raise ValueError(f"line {number} is not understood: {line}")
    return [scenario for outline in found for scenario in outline.scenarios(background)]


class _Outline:
    """A scenario as it is written; with examples it is one for each of their rows."""

    def __init__(self, tag: str, name: str, steps: list[str]) -> None:
        self.tag = tag
        self.name = name
        self.steps = steps
        self.examples: list[list[str]] | None = None

    def scenarios(self, background: list[str]) -> list[Scenario]:
        if self.examples is None:
            return [Scenario(self.tag, self.name, (*background, *self.steps))]
        head, *rows = self.examples
        found = []
        for number, row in enumerate(rows, 1):
            steps = [*background, *self.steps]
            for name, value in zip(head, row, strict=True):
                steps = [step.replace(f"<{name}>", value) for step in steps]
            found.append(Scenario(f"{self.tag}-{number}", self.name, tuple(steps)))
        return found


class Steps:
    """A library of steps: functions that take the world and what their pattern captured."""

    def __init__(self) -> None:
        self._steps: list[tuple[re.Pattern[str], Callable[..., Any]]] = []

    def __call__(self, pattern: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator: this function does the steps whose words match `pattern` as a whole."""

        def remember(function: Callable[..., Any]) -> Callable[..., Any]:
            self._steps.append((re.compile(pattern), function))
            return function

        return remember

    async def run(self, scenario: Scenario, world: object) -> None:
        """Do the steps in order. Raises UnknownStep, StepFailed (naming the step), and what a step raises itself."""
        for step in scenario.steps:
            function, captured = self._find(step)
            try:
                outcome = function(world, *captured)
                if inspect.isawaitable(outcome):
                    await outcome
            except StepFailed:
                raise
            except AssertionError as error:
                raise StepFailed(f"{step}: {error}") from error

    def _find(self, step: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
        matches = [(function, match) for pattern, function in self._steps if (match := pattern.fullmatch(step))]
        if len(matches) != 1:
            raise UnknownStep(f"{len(matches)} steps have the words: {step}")
        function, match = matches[0]
        return function, match.groups()
