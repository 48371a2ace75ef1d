"""`simwarden delivery` on deliveries that were really attempted."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from click.testing import CliRunner
from tests.integration.notify.house import House
from tests.integration.notify.running import running
from tests.integration.notify.sink import Sink
from tests.support.server import serving

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


async def test_a_dead_letter_is_shown_with_its_request_and_sent_again(
    database_url: str, vault: Vault, tmp_path: Path
) -> None:
    event_id, got = await refused(database_url, vault)
    async with serving(tmp_path, database_url, secret_key=bytes(range(32)).hex()) as url:
        environment = {"SIMWARDEN_DATA_DIR": str(tmp_path / "data"), "SIMWARDEN_URL": url, "COLUMNS": "300"}
        await asyncio.to_thread(look, CliRunner(env=environment), event_id, got)


def look(run: CliRunner, event_id: str, got: bytes) -> None:
    """What the commands say of it."""
    [failing] = json.loads(run.invoke(main, ["subscription", "list", "--failing", "--json"]).output)
    assert event_id.startswith(failing["id"])
    assert json.loads(run.invoke(main, ["delivery", "list", "--since", "2h", "--json"]).output)
    [listed] = json.loads(run.invoke(main, ["delivery", "list", "--status", "dead", "--json"]).output)
    assert listed["id"] == event_id
    shown = run.invoke(main, ["delivery", "show", event_id, "--json"]).output
    [attempt] = json.loads(shown)["attemptLog"]
    assert (attempt["status"], attempt["error"]) == (403, "HTTP 403")
    assert json.loads(shown)["lastRequest"]["body"].encode() == got
    assert json.loads(shown)["lastRequest"]["headers"]["webhook-signature"].startswith("v1,")
    plain = run.invoke(main, ["delivery", "show", event_id]).output
    assert "authorization: Bearer ********" in plain
    assert got.decode() in plain
    for text in (shown, plain):
        assert "sink-token" not in text
        assert "k-1" not in text
    assert "1 will be sent again" in run.invoke(main, ["delivery", "replay", event_id]).output
    assert "Give an event id" in run.invoke(main, ["delivery", "replay"]).output
    assert "go with --since" in run.invoke(main, ["delivery", "replay", event_id, "--delivered-too"]).output
    assert json.loads(run.invoke(main, ["delivery", "replay", "--since", "2d", "--json"]).output)["replayed"] in (0, 1)
