"""`simwarden delivery` on deliveries that were really attempted."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.integration.notify.house import House
from tests.integration.notify.running import running
from tests.integration.notify.sink import Sink

from simwarden.cli import main
from simwarden.engine.subscriptions import Subscriptions
from simwarden.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.vault import Vault


async def refused(url: str, vault: Vault) -> tuple[str, bytes]:
    """An event that its sink refused: its id, and what the sink got."""
    database = await Database.connect(url)
    house = House(database, vault, Subscriptions(database, vault, allow_private_sinks=True))
    await house.prepare()
    async with Sink() as sink:
        sink.answer = 403
        soon = datetime.now(UTC) + timedelta(hours=1)
        made, _ = await house.subscribe(sink.url, token="sink-token", token_expires_at=soon, headers={"x-key": "k-1"})
        async with running(house):
            await sink.until_received(1)
        got = sink.received[0].body
    await database.close()
    return f"{made.id}-1", got


def test_a_dead_letter_is_shown_with_its_request_and_sent_again(
    database_url: str, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id, got = asyncio.run(refused(database_url, vault))
    monkeypatch.setenv("SIMWARDEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SIMWARDEN_SECRET_KEY", bytes(range(32)).hex())
    run = CliRunner()
    [listed] = json.loads(run.invoke(main, ["delivery", "list", "--status", "dead", "--json"]).output)
    assert listed["event_id"] == event_id
    shown = run.invoke(main, ["delivery", "show", event_id, "--json"]).output
    [attempt] = json.loads(shown)["attempt_log"]
    assert (attempt["status"], attempt["error"]) == (403, "HTTP 403")
    assert attempt["request"]["body"].encode() == got
    assert attempt["request"]["headers"]["webhook-signature"].startswith("v1,")
    plain = run.invoke(main, ["delivery", "show", event_id]).output
    assert "authorization: Bearer ********" in plain
    assert got.decode() in plain
    for text in (shown, plain):
        assert "sink-token" not in text
        assert "k-1" not in text
    assert "1 will be sent again" in run.invoke(main, ["delivery", "replay", event_id]).output
    assert json.loads(run.invoke(main, ["delivery", "list", "--json"]).output)[0]["status"] == "PENDING"
