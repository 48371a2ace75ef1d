"""What the tests of this folder ask hadolint and Helm, and when they skip."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from tests.conftest import REPOSITORY

TOOLS = REPOSITORY / ".venv-deploy"
needs_tools = pytest.mark.skipif(
    not (TOOLS / ".done").exists(), reason="hadolint and Helm are not installed: make test-deploy"
)
needs_registry = pytest.mark.skipif(
    os.environ.get("DEPLOY_TESTS") != "all", reason="installs packages for a minute: make test-deploy"
)
_HELM = """
import json, sys
import helm_python
asked = json.load(sys.stdin)
try:
    if asked["do"] == "lint":
        found = helm_python.lint(asked["chart"], asked["values"], strict=True)
    else:
        with helm_python.Chart.load(asked["chart"]) as chart:
            chart.validate_schema(asked["values"])
            found = chart.render(asked["values"], name="test", namespace="simwarden")
except helm_python.HelmError as error:
    found = {"error": str(error)}
json.dump(found, sys.stdout)
"""


def helm(do: str, **values: Any) -> dict[str, Any]:
    """Lint or render the chart with Helm's own library."""
    asked = {"do": do, "chart": str(REPOSITORY / "deploy" / "helm" / "simwarden"), "values": values}
    done = subprocess.run(
        [TOOLS / "bin" / "python", "-c", _HELM], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
