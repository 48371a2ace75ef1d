"""The mark of the few rounds that run with all other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register it here, where it is used."""
    config.addinivalue_line("markers", "faults_smoke: a few rounds of tests/faults, about half a minute")
