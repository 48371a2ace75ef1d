"""PostgreSQL for every test: the embedded server once per run, a fresh migrated database per test."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import hypothesis
import pytest
import pytest_asyncio
from tests.conformance.hook import Watch

from simwarden.store import migrate
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# The same examples in every run: what is new is looked for by `make fuzz`, not by whoever runs the tests.
# Nothing depends on how fast they are made or run.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

# A shell starts what runs in the background with SIGINT ignored, and programs hand that on: tests of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _answers_keep_the_contracts() -> Iterator[None]:
    """Every answer of a customer API, in every test, is one that our document and CAMARA's allow."""
    watch = Watch()
    with watch.looking():
        yield
    assert watch.broken == []


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout that holds upstream contracts and message samples; skips when absent."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip("../shared (upstream contracts and samples) is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An administrator's URL: the server of SIMWARDEN_TEST_DATABASE_URL, else an embedded one made for this run."""
    given = os.environ.get("SIMWARDEN_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="simwarden-tests-") as directory:
        server = EmbeddedPostgres(Path(directory))
        server.acquire()
        try:
            # Thrown away at the end: what survives a crash is tested on servers of its own.
            asyncio.run(_relax(server.url("postgres")))
            yield server.url("postgres")
        finally:
            server.release()


def at_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    head, _, options = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{options}" if options else "")


async def _relax(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            await connection.execute(f"alter system set {name} = off")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def _administrate(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session")
async def template(postgres_url: str) -> AsyncIterator[str]:
    """Name of a migrated database to copy from."""
    name = f"simwarden_template_{uuid.uuid4().hex[:8]}"
    await _administrate(postgres_url, f"create database {name} template template0 encoding 'UTF8'")
    await migrate.migrate(at_database(postgres_url, name))
    yield name
    await _administrate(postgres_url, f"drop database {name} with (force)")


@pytest_asyncio.fixture
async def database_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """URL of a fresh migrated database. Copied by files: six times faster than through the WAL (44 against 285 ms)."""
    name = f"simwarden_{uuid.uuid4().hex[:12]}"
    await _administrate(postgres_url, f"create database {name} template {template} strategy file_copy")
    yield at_database(postgres_url, name)
    await _administrate(postgres_url, f"drop database {name} with (force)")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool on a fresh migrated database."""
    opened = await Database.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def vault() -> Vault:
    """A vault with a fixed key."""
    return Vault(bytes(range(32)))
