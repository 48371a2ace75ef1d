"""A database belongs to one master key."""

from __future__ import annotations

import pytest

from simwarden.accounts.keys import SigningKeys
from simwarden.store import key_check
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.gateways import Gateways
from simwarden.store.key_check import WrongMasterKey
from simwarden.store.vault import Vault

OTHER = Vault(bytes(32))


async def test_the_first_key_is_kept_and_another_is_refused(database: Database, vault: Vault) -> None:
    await key_check.check(database.url, vault)
    await key_check.check(database.url, vault)
    with pytest.raises(WrongMasterKey, match=r"SIMWARDEN_SECRET_KEY, or the file master\.key"):
        await key_check.check(database.url, OTHER)
    assert await database.fetchval("select count(*) from key_check") == 1


async def test_a_database_from_before_is_tried_by_its_signing_key(database: Database, vault: Vault) -> None:
    keys = SigningKeys(Accounts(database), vault)
    await keys.signer()
    await keys.rotate()
    with pytest.raises(WrongMasterKey):
        await key_check.check(database.url, OTHER)
    assert await database.fetchval("select count(*) from key_check") == 0, "who is refused writes nothing"
    await key_check.check(database.url, vault)


async def test_a_database_from_before_is_tried_by_a_gateways_password(database: Database, vault: Vault) -> None:
    await Gateways(database, vault).add(
        "gw1", kind="ejoin", command_url="http://192.0.2.1", username="root", password="root"
    )
    with pytest.raises(WrongMasterKey):
        await key_check.check(database.url, OTHER)
    await key_check.check(database.url, vault)
