from __future__ import annotations

from pathlib import Path

import pytest

from simwarden.simulator.fleet import FleetPlan, build_fleet
from simwarden.simulator.operations import Move, SetFault
from simwarden.simulator.scenario import ScenarioError, check_scenario, load_scenario, packaged, read_scenario

GOOD = 'title = "t"\n[[steps]]\nat = 1\naction = "fault"\ngateway = "gw1"\nfault = "offline"\n'


def test_the_packaged_scenarios_can_all_be_played_on_the_default_fleet() -> None:
    fleet = build_fleet(FleetPlan())
    assert packaged() == [
        "garbage",
        "gateway-offline",
        "imei-missing",
        "infected-meter",
        "mass-calls",
        "mass-sms",
        "outbreak",
        "sim-moved",
        "sim-returned",
        "truck-leaves-the-city",
    ]
    for name in packaged():
        check_scenario(load_scenario(name), fleet)


def test_steps_are_read_into_operations_and_put_in_order_of_time() -> None:
    text = GOOD + '[[steps]]\nat = 0.5\naction = "move"\nimsi = "base+1"\ngateway = "gw2"\nport = 1\nslot = 2\n'
    scenario = read_scenario(text, "mine")
    assert [str(step) for step in scenario.steps] == ["step 2 (move)", "step 1 (fault)"]
    assert isinstance(scenario.steps[0].operation, Move)
    assert isinstance(scenario.steps[1].operation, SetFault)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = ", "mine: not TOML"),
        ('steps = []\ntitle = "t"', "mine: at least one"),
        ("[[steps]]\nat = 1", "mine: title"),
        (GOOD + "[[stages]]\n", "mine: unknown key 'stages'"),
        ('title = "t"\n[[steps]]\nat = 1\n', "mine: step 1: action is missing; there are cure, fault, garbage"),
        (GOOD.replace('"fault"', '"explode"'), "mine: step 1: unknown action 'explode'"),
        (GOOD.replace("at = 1", "at = -1"), r"mine: step 1 \(fault\): at must be"),
        (GOOD.replace("at = 1\n", ""), r"mine: step 1 \(fault\): at must be"),
        (GOOD.replace("at = 1", "at = true"), r"mine: step 1 \(fault\): at must be"),
        (GOOD.replace("offline", "on fire"), r"mine: step 1 \(fault\): .*on fire"),
        (GOOD + "speed = 3\n", r"mine: step 1 \(fault\): .*speed"),
        (GOOD.replace('gateway = "gw1"\n', ""), r"mine: step 1 \(fault\): .*gateway"),
    ],
)
def test_errors_name_the_file_and_the_step(text: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        read_scenario(text, "mine")


def test_what_the_fleet_does_not_have_is_found_before_the_start() -> None:
    fleet = build_fleet(FleetPlan(gateways=1, ports=2, slots=1))
    with pytest.raises(ScenarioError, match=r"sim-moved: step 1 \(move\): there is no gateway 'gw2'; there are gw1"):
        check_scenario(load_scenario("sim-moved"), fleet)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="no scenario 'sim-stolen': give a file, or one of garbage"):
        load_scenario("sim-stolen")


def test_a_file_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load_scenario(str(path)).title == "t"
    path.write_bytes(b'title = "\xff"')
    with pytest.raises(ScenarioError, match="not UTF-8"):
        load_scenario(str(path))
