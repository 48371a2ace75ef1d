"""The operator's key that a server leaves for the commands."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from simwarden.accounts.applications import authenticate
from simwarden.cli import first_key
from simwarden.cli.remote import Key, key_path, write_key
from simwarden.domain.errors import StoreUnavailable
from simwarden.settings import Settings
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database


async def test_it_is_made_once_and_is_its_owners_alone(database: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    assert str(key_path(settings)) in await first_key.leave(settings, database.url)
    assert await first_key.leave(settings, database.url) == ""
    path = key_path(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = msgspec.json.decode(path.read_bytes(), type=Key)
    found = await authenticate(Accounts(database), key.app_key, key.app_secret)
    assert found is not None
    assert found.scopes == ("manage:read", "manage:write")
    keys = await Accounts(database).page(
        account_id=None, app_key=None, is_revoked=None, after=("", ""), limit=9, operators=True
    )
    assert len(keys) == 1


async def test_a_key_of_another_database_is_put_aside(database: Database, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    write_key(key_path(settings), Key("swk_" + "a" * 24, "sws_unknown"))
    assert str(key_path(settings)) in await first_key.leave(settings, database.url)
    assert len(list(tmp_path.glob("operator.key.*"))) == 1  # noqa: ASYNC240 - a test
    key = msgspec.json.decode(key_path(settings).read_bytes(), type=Key)
    await Accounts(database).revoke(key.app_key)
    assert await first_key.leave(settings, database.url) == "", "one that was revoked is not replaced"


async def test_a_directory_that_cannot_be_written_to_ends_nothing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = await first_key.leave(Settings(data_dir=str(tmp_path / "data" / "below")), database.url)
    assert "No operator's key is left" in said
    keys = await Accounts(database).page(
        account_id=None, app_key=None, is_revoked=None, after=("", ""), limit=9, operators=True
    )
    assert list(keys) == []


async def test_no_empty_file_stays_when_the_database_is_away(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    with pytest.raises(StoreUnavailable):
        await first_key.leave(settings, "postgresql://127.0.0.1:1/nothing")
    assert not key_path(settings).exists()
