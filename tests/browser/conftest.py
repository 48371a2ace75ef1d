"""A browser in front of a real server: both are started once, each test has a tab of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.browser import chrome
from tests.support.fixtures import world_database
from tests.support.server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.store.database import Database

__all__ = ["world_database"]


@pytest_asyncio.fixture(scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[chrome.Browser]:
    """Debian's browser; skips where there is none."""
    program = chrome.found()
    if program is None:
        pytest.skip("no browser: apt-get install chromium")
    async with chrome.browser(program, tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest_asyncio.fixture
async def page(browser: chrome.Browser) -> AsyncIterator[chrome.Page]:
    """An empty tab."""
    async with browser.tab() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory, world_database: Database) -> AsyncIterator[str]:
    """The address of a server on the module's database."""
    async with serving(tmp_path_factory.mktemp("server"), world_database.url) as address:
        yield address
