"""The GitHub workflow calls what is there, and may not write."""

from __future__ import annotations

import os
import re

import yaml
from tests.conftest import REPOSITORY

WORKFLOW = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())


def test_it_has_no_right_but_to_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for job in WORKFLOW["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


def test_it_runs_commands_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    commands = [step["run"].split() for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    assert [".ci/run"] in commands
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
    for program, *words in commands:
        if program == "make":
            assert words[0] in targets
