"""Values of a kind that no scenario has, found by tests/fuzz."""

from __future__ import annotations

import pytest

from simwarden.simulator.scenario import ScenarioError, read_scenario


@pytest.mark.parametrize("action", ["[]", "{}", "1", "2020-01-01", "nan"])
def test_an_action_that_is_no_text_is_told(action: str) -> None:
    with pytest.raises(ScenarioError, match="step 1"):
        read_scenario(f'title = "x"\n[[steps]]\nat = 1\naction = {action}\n', "x")
