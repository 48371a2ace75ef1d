"""A browser in front of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.browser import chrome
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest_asyncio.fixture
async def page(tmp_path: Path) -> AsyncIterator[chrome.Page]:
    """An empty tab; skips where there is no browser."""
    program = chrome.found()
    if program is None:
        pytest.skip("no browser: apt-get install chromium")
    async with chrome.browser(program, tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def url(tmp_path: Path, database_url: str) -> AsyncIterator[str]:
    """The address of a server on the test's own database."""
    async with serving(tmp_path, database_url) as address:
        yield address
