"""`make conformance` says one line a document, and all only where something was found."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from tests.conformance import schemathesis_run

if TYPE_CHECKING:
    from pathlib import Path

SAYS = "a finding\n  Tested: 3\n  239 generated, 239 passed\n"


def test_only_what_is_about_a_document_is_configured_for_it() -> None:
    whole = schemathesis_run.CONFIGURATION.read_text(encoding="utf-8")
    assert whole.count("[[operations]]") >= 3
    poll = schemathesis_run.configuration({"takeEvents": "/inboxes/{inboxId}/events"})
    assert poll.count("[[operations]]") == 1
    assert 'parameters = { "query.wait" = 0 }' in poll
    assert "checks.negative_data_rejection" in poll
    assert schemathesis_run.configuration({"x": "/suspend"}).count("[[operations]]") == 1
    assert "[[operations]]" not in schemathesis_run.configuration({"x": "/x"})


@pytest.mark.parametrize("code", [0, 1])
async def test_the_full_output_is_shown_for_a_failure_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    async def operations(_url: str, _name: str) -> dict[str, str]:
        return {}

    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\nprintf '{SAYS}'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(schemathesis_run, "operations", operations)
    options = argparse.Namespace(tool=str(tool), output=tmp_path, examples=1, seed=1)
    assert await schemathesis_run.examine("listen", "live", "http://x", "t", options) == (code == 0)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["listen", "live"]
    assert "3 operations" in first
    assert "239 cases" in first
    assert first.endswith("FAILED" if code else "passed")
    assert ("a finding" in rest) == (code == 1)
    assert (tmp_path / "listen-live.txt").read_text() == SAYS
