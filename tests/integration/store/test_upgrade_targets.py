"""Attachments from when they were at ports and slots, after the migration that puts them at targets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from tests.conftest import at_database

from simwarden.domain.attachment import Attachment, AttachmentStatus, CommandPhase
from simwarden.domain.sim import ALL_FUNCTIONS, NetworkTarget
from simwarden.store import attachments, migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KNOWN = migrate.known()
[BEFORE] = [number for number, each in enumerate(KNOWN) if each.name == "targets"]
UNANSWERED = "The gateway has not answered the command yet"
FILL = f"""
insert into gateway (name, token_hash) values ('gw1', '\\x01');
insert into attachment (bucket, imsi, gateway_id, port, slot, current, desired, applied, status, since, commanded_at,
                        last_error)
values (1, '1', 1, 3, 2, true, 0, 0, 'APPLIED', now(), null, null),
       (1, '2', 1, 3, 0, true, 7, 0, 'PENDING', now(), now(), null),
       (1, '3', 1, 12, 10, false, 0, 7, 'PENDING', now(), now(), '{UNANSWERED}'),
       (1, '4', 1, 4, 1, false, 0, 7, 'PENDING', now(), now(), null),
       (1, '5', 1, 256, 1, true, 7, 0, 'FAILED', now(), now(), 'refused'),
       (1, '6', 1, 5, 1, true, 4, null, 'PENDING', now(), null, null);
"""


@pytest_asyncio.fixture
async def connection(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A database that was filled before the migration, and has been migrated since."""
    name = f"simwarden_targets_{uuid.uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {name} template template0 encoding 'UTF8'")
    url = at_database(postgres_url, name)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "known", lambda: KNOWN[:BEFORE])
        await migrate.migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    await migrate.migrate(url)
    yield connection
    await connection.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.close()


async def test_attachments_keep_their_slot_and_how_far_their_command_has_come(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch("select * from attachment order by imsi")
    found: list[Attachment] = [attachments.from_row(row) for row in rows]
    targets = ["3.02", "3.00", "12.10", "4.01", "256.01", "5.01"]
    assert [item.target for item in found] == [NetworkTarget(1, key) for key in targets]
    assert [item.target.slot for item in found] == [(3, 2), (3, 0), (12, 10), (4, 1), (256, 1), (5, 1)]
    assert {item.groups for item in found} == {(ALL_FUNCTIONS,)}
    idle, sent, answered = CommandPhase.IDLE, CommandPhase.SENT, CommandPhase.ANSWERED
    assert [item.phase for item in found] == [idle, idle, sent, answered, idle, idle]
    assert [item.last_error for item in found] == [None, None, None, None, "refused", None]
    assert found[4].status is AttachmentStatus.FAILED


async def test_a_sim_is_attached_at_a_target_once(connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "insert into attachment (bucket, imsi, element_id, target, current, desired, status, since)"
            " values (1, '1', 1, '3.02', true, 0, 'APPLIED', now())"
        )
