"""CAMARA's own feature files, as they stand, against a real server.

What is known not to pass is listed here with its reason, and must fail: once it passes, the list has to shrink.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conformance.contract import UPSTREAM
from tests.conformance.gherkin import Scenario, StepFailed, Steps, UnknownStep, scenarios
from tests.conformance.steps import FeatureWorld, step
from tests.conformance.subscription_steps import OUTSIDE
from tests.integration.northbound.house import House

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

FEATURES = [
    UPSTREAM.parent / "Test_definitions" / f"iot-sim-fraud-prevention-{name}.feature" for name in ("bind", "unbind")
]

DEVIATIONS = {
    "iot_sim_fraud_prevention_bind_400_missing_device": "contradicts bind_422_missing_identifier, whose steps are the "
    "same; Commonalities wants the latter",
}
"""Scenarios that cannot pass beside others. They stay here for good."""


def collected() -> list[object]:
    """Every scenario as a parameter; the expected failures must fail in a step, not anywhere."""
    found: list[object] = []
    for path in FEATURES:
        if not path.is_file():
            reason = "CAMARA's feature files (../shared/camara) are not beside this checkout"
            found.append(pytest.param(None, id=path.name, marks=pytest.mark.skip(reason=reason)))
            continue
        for scenario in scenarios(path.read_text(encoding="utf-8")):
            why = DEVIATIONS.get(scenario.tag)
            marks = [pytest.mark.xfail(reason=why, raises=StepFailed, strict=True)] if why else []
            found.append(pytest.param(scenario, id=scenario.tag, marks=marks))
    return found


@pytest.mark.parametrize("scenario", collected())
async def test_scenario(scenario: Scenario, database: Database, vault: Vault) -> None:
    await play(scenario, database, vault)


OURS = sorted((Path(__file__).parent / "features").glob("*.feature"))
"""Our own texts of what CAMARA tests in files that are not at hand, and of its common templates."""


def own() -> list[object]:
    """Every scenario of our own feature files as a parameter; all of them must pass."""
    return [
        pytest.param(scenario, id=scenario.tag)
        for path in OURS
        for scenario in scenarios(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("scenario", own())
async def test_own_scenario(scenario: Scenario, database: Database, vault: Vault) -> None:
    await play(scenario, database, vault)


async def play(scenario: Scenario, database: Database, vault: Vault) -> None:
    """Do a scenario in a world of its own."""
    house = House(database, vault)
    await house.furnish()
    world = FeatureWorld(house)
    async with world.stack:
        await step.run(scenario, world)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_feature_files_keep_camaras_rules(path: Path) -> None:
    """Gherkin rules: at most 50 scenarios, no name or tag twice, indentation, the version in feature line and URLs."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert re.match(r"Feature: CAMARA .+, v\d+\.\d+\.\d+ - .+", lines[0])
    assert [line for line in lines if line != line.rstrip()] == []
    assert text.endswith("\n")
    assert all((len(line) - len(line.lstrip())) % 2 == 0 for line in lines)
    names = [line.partition(":")[2] for line in lines if re.match(r"\s*Scenario( Outline)?:", line)]
    tags = [line.strip() for line in lines if line.strip().startswith("@")]
    assert 0 < len(names) == len(set(names)) == len(tags) == len(set(tags)) <= 50
    assert all("/v0.1/" in line or "<resource>" in line for line in lines if 'the resource "' in line)


@pytest.mark.skipif(not all(path.is_file() for path in FEATURES), reason="CAMARA's feature files are not at hand")
def test_the_lists_name_scenarios_that_exist() -> None:
    tags = [scenario.tag for path in FEATURES for scenario in scenarios(path.read_text(encoding="utf-8"))]
    assert len(tags) == len(set(tags)) == 24
    assert DEVIATIONS.keys() <= set(tags)


TEXT = """
Feature: Something

  # a remark
  Background: Common
    Given the resource "/x/bind"

  @one @more
  Scenario: The first
    When it runs
    Then the number is 3
    And nothing else
"""


async def test_a_feature_is_read_and_run_step_by_step() -> None:
    [scenario] = scenarios(TEXT)
    assert (scenario.tag, scenario.name) == ("one", "The first")
    assert scenario.steps == ('the resource "/x/bind"', "it runs", "the number is 3", "nothing else")
    library, seen = Steps(), list[str]()
    library('the resource "(.+)"')(lambda world, path: world.append(path))
    library("it runs|nothing else")(lambda world: world.append("ran"))
    with pytest.raises(UnknownStep, match="the number is 3"):
        await library.run(scenario, seen)
    assert seen == ["/x/bind", "ran"]

    async def number_is(world: list[str], number: str) -> None:
        assert len(world) == int(number), "counted wrong"

    library(r"the number is (\d+)")(number_is)
    seen.clear()
    with pytest.raises(StepFailed, match="the number is 3: counted wrong"):
        await library.run(scenario, seen)


def test_lines_that_are_not_understood_are_refused() -> None:
    with pytest.raises(ValueError, match="line 4 is not understood"):
        scenarios("Feature: x\n\nScenario: y\n  Whenever it rains")


def test_the_library_knows_the_steps_of_subscriptions_too() -> None:
    assert step is OUTSIDE


def test_an_outline_is_a_scenario_for_each_row() -> None:
    text = """Feature: x
    @many
    Scenario Outline: y
      When <a> is <b>

      Examples:
        | a | b |
        | 1 | 2 |
        | 3 | 4 |
    """
    assert [(one.tag, one.steps) for one in scenarios(text)] == [("many-1", ("1 is 2",)), ("many-2", ("3 is 4",))]
