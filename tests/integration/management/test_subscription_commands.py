"""`simwarden subscription ...` and `app revoke`: real commands against a real server and a real sink."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.integration.management.test_commands import Shell
from tests.integration.notify.sink import Sink
from tests.support.patience import PATIENCE
from tests.support.server import serving
from tests.support.subscribing import wish

from simwarden.engine.subscriptions import Subscriptions
from simwarden.store.accounts import Accounts
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

IMSI = "460000990120001"
SECRET = "sink-secret-of-the-customer"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as listening:
        yield listening


@pytest.fixture
async def shell(database: Database, tmp_path: Path) -> AsyncIterator[Shell]:
    settings = {"allow_private_sinks": "true", "secret_key": bytes(range(32)).hex()}
    async with serving(tmp_path, database.url, **settings) as url:
        shell = Shell(
            {
                "SIMWARDEN_DATABASE_URL": database.url,
                "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
                "SIMWARDEN_HOST": "127.0.0.1",
                "SIMWARDEN_PORT": str(urlsplit(url).port),
                "SIMWARDEN_SECRET_KEY": settings["secret_key"],
                "COLUMNS": "200",
            }
        )
        for account in ("ACME", "Other"):
            await shell.told("account", "create", account)
        for account, name in (("ACME", "meters"), ("ACME", "meters-2"), ("Other", "cars")):
            await shell.told("app", "create", "--account", account, "--name", name)
        file = tmp_path / "sims.csv"
        file.write_text(f"imsi\n{IMSI}\n")
        await shell.told("sim", "import", "--account", "ACME", str(file))
        yield shell


async def subscribe(database: Database, vault: Vault, sink: Sink, name: str = "ACME/meters") -> str:
    """A subscription of this application to the SIM; its id."""
    accounts = Accounts(database)
    app = await accounts.named(name)
    sim = await Sims(database).find_any(IMSI)
    assert sim is not None
    new = wish(
        sim,
        app.app_key,
        account_id=app.account_id,
        sink=f"{sink.url}?token={SECRET}",
        protocol_settings={"headers": {"x-key": SECRET}},
    )
    made, _ = await Subscriptions(database, vault, allow_private_sinks=True).create(new)
    await sink.until(lambda: any(one.event["data"].get("subscriptionId") == made.id for one in sink.received))
    return made.id


async def owner(database: Database, id_: str) -> tuple[str, str]:
    """Which application has it, and its status."""
    row = await database.fetchrow("select app_key, status from subscription where id = $1", id_)
    assert row is not None
    return row["app_key"], row["status"]


async def test_shown_paused_tested_handed_over_and_ended(
    shell: Shell, database: Database, vault: Vault, sink: Sink
) -> None:
    id_ = await subscribe(database, vault, sink)
    shown = await shell("subscription", "show", id_)
    assert (shown.exit_code, id_ in shown.stdout, IMSI in shown.stdout) == (0, True, True), shown.output
    assert SECRET not in shown.output
    assert "pausedAt" not in await shell.told("subscription", "show", id_)

    assert "is paused" in (await shell("subscription", "pause", id_)).stdout
    assert "pausedAt" in await shell.told("subscription", "show", id_)
    refused = await shell("subscription", "test", id_)
    assert (refused.exit_code, "paused" in refused.output) == (1, True), refused.output
    assert "goes on" in (await shell("subscription", "resume", id_)).stdout

    tested = await shell("subscription", "test", id_, "--wait", "60")
    assert (tested.exit_code, "DELIVERED" in tested.stdout, "204" in tested.stdout) == (0, True, True), tested.output
    assert sink.received[-1].event["type"] == "org.simwarden.v1.subscription-test"
    sink.answer = 503
    tested = await shell("subscription", "test", id_, "--wait", "60")
    assert (tested.exit_code, "503" in tested.stdout) == (1, True), tested.output
    sink.answer = 204

    other = (await Accounts(database).named("ACME/meters-2")).app_key
    refused = await shell("subscription", "hand-over", id_, "Other/cars")
    assert refused.exit_code == 1, "an application of another account"
    assert (await owner(database, id_))[0] != (await Accounts(database).named("Other/cars")).app_key
    assert f"is {other}'s now" in (await shell("subscription", "hand-over", id_, "ACME/meters-2")).stdout
    assert await owner(database, id_) == (other, "ACTIVE")

    assert "has ended" in (await shell("subscription", "delete", id_)).stdout
    await sink.until(lambda: sink.received[-1].kind == "subscription-ended")
    assert sink.received[-1].event["data"]["terminationReason"] == "NETWORK_TERMINATED"
    assert await shell.told("subscription", "list") == []
    assert [row["id"] for row in await shell.told("subscription", "list", "--all")] == [id_]


async def test_one_that_is_not_there_is_an_error_in_a_sentence(shell: Shell) -> None:
    for verb, *more in (("show",), ("pause",), ("resume",), ("test",), ("delete",), ("hand-over", "A/b")):
        result = await shell("subscription", verb, "nothing", *more)
        assert result.exit_code == 1, verb
        assert result.stderr.startswith("Error: "), verb
        assert "Traceback" not in result.output, verb


async def test_who_is_revoked_hands_over_or_loses_what_he_subscribed_to(
    shell: Shell, database: Database, vault: Vault, sink: Sink
) -> None:
    kept = await subscribe(database, vault, sink)
    refused = await shell("app", "revoke", "ACME/meters", "--hand-over-to", "Other/cars")
    assert refused.exit_code == 1, "an application of another account"
    assert (await Accounts(database).named("ACME/meters")).revoked_at is None, "nothing was done"
    done = await shell("app", "revoke", "ACME/meters", "--hand-over-to", "ACME/meters-2")
    assert (done.exit_code, "is revoked" in done.stdout) == (0, True), done.output
    second = (await Accounts(database).named("ACME/meters-2")).app_key
    async with asyncio.timeout(PATIENCE):
        while await owner(database, kept) != (second, "ACTIVE"):  # noqa: ASYNC110 - a matter of seconds, as it says
            await asyncio.sleep(0.2)
    assert (await shell("subscription", "test", kept, "--wait", "60")).exit_code == 0, "events still come"

    assert (await shell("app", "revoke", "ACME/meters-2")).exit_code == 0
    await sink.until(lambda: sink.received[-1].kind == "subscription-ended")
    assert (await owner(database, kept))[1] != "ACTIVE"
