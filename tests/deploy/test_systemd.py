"""The systemd unit, as systemd reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="Debian's package systemd is not here")
UNIT = REPOSITORY / "deploy" / "systemd" / "simwarden.service"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with this environment's program, which has to exist for systemd."""
    text = UNIT.read_text()
    assert "/opt/simwarden/bin/simwarden" in text
    made = tmp_path / "simwarden.service"
    made.write_text(text.replace("/opt/simwarden/bin/simwarden", f"{sys.prefix}/bin/simwarden"))
    return made


def test_systemd_has_no_complaint(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "simwarden.service" in line] == []
    assert done.returncode == 0, done.stderr


def test_it_is_well_confined(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=25", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"Overall exposure level for simwarden.service: [\d.]+", done.stdout), done.stderr
    assert done.returncode == 0, done.stdout
