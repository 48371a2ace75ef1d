"""Accounts and applications in a real database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.support.patience import PATIENCE

from simwarden.accounts import applications, scopes
from simwarden.domain.errors import AccountNotFound, AlreadyExists, ApplicationNotFound
from simwarden.domain.sim import OnUnknown, Policy
from simwarden.store.accounts import Accounts, AccountSettings

if TYPE_CHECKING:
    from simwarden.store.database import Database


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


async def test_an_account_is_found_by_name_and_by_id(accounts: Accounts) -> None:
    settings = AccountSettings(policy=Policy(unknown=OnUnknown.DENY), strict=True)
    made = await applications.open_account(accounts, "meters", settings)
    assert await accounts.get("meters") == await accounts.get(made.id) == made
    assert made.settings == settings
    assert [account.name for account in await accounts.list()] == ["meters"]


async def test_account_names_are_unique_and_settings_can_change(accounts: Accounts) -> None:
    made = await applications.open_account(accounts, "meters")
    with pytest.raises(AlreadyExists, match="meters"):
        await applications.open_account(accounts, "meters")
    changed = await accounts.change(made.id, made.name, AccountSettings(strict=True))
    assert changed.settings.strict
    assert (await accounts.get(made.id)).settings == AccountSettings(strict=True)
    with pytest.raises(AccountNotFound):
        await accounts.get("nobody")


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "x" * 101])
async def test_a_name_must_be_printable(accounts: Accounts, name: str) -> None:
    with pytest.raises(applications.InvalidName):
        await applications.open_account(accounts, name)


async def test_a_secret_is_shown_once_and_stored_hashed(accounts: Accounts, database: Database) -> None:
    await applications.open_account(accounts, "meters")
    issued = await applications.issue(accounts, "meters", "billing", ["iot-sim-fraud-prevention:query"])
    key = issued.application.app_key
    assert key.startswith("swk_")
    assert issued.app_secret.startswith("sws_")
    assert len(issued.app_secret) >= 47  # 256 bits
    row = await database.fetchval("select to_jsonb(application)::text from application where app_key = $1", key)
    assert issued.app_secret not in row
    assert applications.hash_secret(issued.app_secret).hex() in row
    assert await applications.authenticate(accounts, key, issued.app_secret) == issued.application
    assert await applications.authenticate(accounts, key, issued.app_secret + "x") is None
    assert await applications.authenticate(accounts, "swk_unknown", issued.app_secret) is None
    assert await applications.authenticate(accounts, "swk_\x00", issued.app_secret) is None


async def test_scopes_default_to_a_small_set_and_unknown_ones_are_refused(accounts: Accounts) -> None:
    await applications.open_account(accounts, "meters")
    issued = await applications.issue(accounts, "meters", "one")
    assert issued.application.scopes == scopes.of_sets(["default"])
    assert "iot-device-management:add" not in issued.application.scopes
    with pytest.raises(scopes.UnknownScope, match="the sets are: default"):
        scopes.of_sets(["default", "most"])
    with pytest.raises(scopes.UnknownScope):
        await applications.issue(accounts, "meters", "two", ["root"])
    with pytest.raises(AccountNotFound):
        await applications.issue(accounts, "nobody", "three")


async def test_revoking_ends_an_application_tells_everybody_and_frees_its_name(
    accounts: Accounts, database: Database
) -> None:
    account = await applications.open_account(accounts, "meters")
    first = await applications.issue(accounts, "meters", "billing")
    with pytest.raises(AlreadyExists):
        await applications.issue(accounts, "meters", "billing")
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database.url)
    try:
        await listener.add_listener("simwarden_application", lambda *args: heard.put_nowait(args[-1]))
        revoked = await accounts.revoke(first.application.app_key)
        assert await asyncio.wait_for(heard.get(), PATIENCE) == first.application.app_key
    finally:
        await listener.close()
    assert revoked.revoked_at is not None
    again = await accounts.revoke(first.application.app_key)
    assert again.revoked_at == revoked.revoked_at
    assert await applications.authenticate(accounts, first.application.app_key, first.app_secret) is None
    second = await applications.issue(accounts, "meters", "billing")
    listed = await accounts.applications(account.id)
    assert {entry.app_key for entry in listed} == {first.application.app_key, second.application.app_key}
    with pytest.raises(ApplicationNotFound):
        await accounts.revoke("swk_unknown")
