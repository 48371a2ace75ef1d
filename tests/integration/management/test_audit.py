"""The audit list: who, from where, what before and after; and that nobody can change it without it showing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.integration.management.house import House, imsi

from simwarden.management.audit import changed, detail
from simwarden.store import audit
from simwarden.store.audit import Act, AuditTrail

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

KEPT = timedelta(days=365)


async def verified(house: House) -> list[str]:
    """The faults that the API names, all pages."""
    await house.parts.audit.drain()
    return [each["fault"] for each in (await house.manage("GET", "/audit/verification")).json["faults"]]


async def forge(database: Database, statement: str, *args: Any) -> None:
    """What somebody can do who owns the database: the triggers are no obstacle to him."""
    async with database.transaction() as connection:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(statement, *args)


async def some_acts(house: House) -> None:
    for name in ("gw1", "gw2", "gw3"):
        await house.manage("POST", "/gateways", {"name": name})


async def test_a_row_says_from_where_in_which_role_and_what_it_was_before(house: House) -> None:
    await house.manage("PATCH", "/accounts/meters", {"name": "Meters", "strict": True})
    await house.manage("PATCH", f"/sims/{imsi(1)}", {"tags": ["site:north"]})
    await house.manage("DELETE", "/accounts/stranger")
    await house.parts.audit.drain()
    refused, tagged, renamed = (await house.manage("GET", "/audit")).json["audit"]
    assert (renamed["address"], renamed["role"], renamed["name"]) == ("192.0.2.1", "admin", "ops")
    assert renamed["changes"] == {"name": ["meters", "Meters"], "strict": [False, True]}
    assert tagged["changes"]["tags"] == [[], ["site:north"]]
    assert (refused["status"], "changes" in refused) == (409, False)


async def test_what_is_changed_or_taken_away_is_found(house: House) -> None:
    await some_acts(house)
    assert await verified(house) == []
    for statement in (
        "update operator_act set status = 200",
        "delete from operator_act",
        "truncate operator_act",
        "delete from audit_chain",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.db.execute(statement)
    await forge(house.db, "update operator_act set target = 'gw9' where link = 2")
    assert await verified(house) == ["The row was changed"]
    await forge(house.db, "delete from operator_act where link = 2")
    assert await verified(house) == ["1 rows are missing"]


async def test_a_row_at_the_end_or_a_forged_one_is_found(house: House) -> None:
    await some_acts(house)
    await house.parts.audit.drain()
    await forge(house.db, "delete from operator_act where link = 3")
    assert await verified(house) == ["1 rows are missing"]
    await forge(house.db, "update audit_chain set links = 2")
    assert await verified(house) == ["Its end was changed", "The last row is another one"]
    await forge(
        house.db,
        "insert into operator_act (at, app_key, key_name, operation, status, correlator, chain, link, digest) "
        "select at, app_key, key_name, operation, status, correlator, chain, 4, digest "
        "from operator_act where link = 2",
    )
    assert "The row is none that the server wrote" in await verified(house)
    await house.db.execute(
        "insert into operator_act (at, app_key, key_name, operation, status, correlator) "
        "values (now(), '', '', '', 1, '')"
    )
    assert "1 rows belong to no chain" in await verified(house)


async def test_a_chain_that_is_missing_is_found(database: Database, vault: Vault) -> None:
    def sign(value: bytes) -> bytes:
        return vault.keyed_digest(value, audit.PURPOSE)

    act = Act(datetime.now(UTC), "swk_a", "a", "createSim", "", 201, None, "c", '{"a": 1.0}')
    for server in ("w1", "w2", "w3"):
        trail = AuditTrail(database, sign, server)
        await trail.add([act, act])
        await trail.add([act])
    found = await audit.check(database, sign, after=0, kept=KEPT, most=1)
    assert (found.chains, found.rows, found.faults, found.next) == (1, 3, [], 1)
    found = await audit.check(database, sign, after=1, kept=KEPT)
    assert (found.chains, found.rows, found.faults, found.next) == (2, 6, [], None)

    await forge(database, "delete from audit_chain where n = 2")
    await forge(database, "delete from operator_act where chain = 2")
    assert [each.fault for each in (await audit.check(database, sign, after=0, kept=KEPT)).faults] == [
        "1 chains before it are missing"
    ]
    await forge(database, "delete from audit_chain where n = 1")
    assert [each.fault for each in (await audit.check(database, sign, after=0, kept=KEPT)).faults] == [
        "3 rows belong to no chain",
        "The chains before it were taken away",
    ]
    await forge(database, "update audit_chain set server = 'w9'")
    assert "Its own row was changed" in [
        each.fault for each in (await audit.check(database, sign, after=0, kept=KEPT)).faults
    ]


async def test_two_writers_of_one_chain_do_not_spoil_it(database: Database, vault: Vault) -> None:
    def sign(value: bytes) -> bytes:
        return vault.keyed_digest(value, audit.PURPOSE)

    act = Act(datetime.now(UTC), "swk_a", "a", "createSim", "", 201, None, "c", None)
    trail = AuditTrail(database, sign, "w1")
    await trail.add([act])
    await forge(database, "update audit_chain set links = 7")
    await trail.add([act])
    assert await database.fetchval("select max(chain) from operator_act") == 2, "it goes on in another one"
    assert [each.fault for each in (await audit.check(database, sign, after=0, kept=KEPT)).faults] == [
        "Its end was changed",
        "6 rows are missing",
    ]


async def test_retention_takes_whole_days_and_leaves_no_fault(house: House) -> None:
    await some_acts(house)
    assert await audit.prune(house.db, datetime.now(UTC) - timedelta(days=1), 100) == 0
    assert await audit.prune(house.db, datetime.now(UTC) + timedelta(days=1), 100) == 3
    await house.manage("POST", "/gateways", {"name": "gw4"})
    assert await verified(house) == [], "its worker begins another chain"


def test_nothing_secret_or_personal_is_written_down() -> None:
    body = b'{"appSecret": "x", "sim": {"phoneNumber": "+8613800138000", "code": "1"}, "n": [{"password": "y"}]}'
    assert detail(body) == {
        "appSecret": "********",
        "sim": {"phoneNumber": "********000", "code": "********"},
        "n": [{"password": "********"}],
    }
    assert detail(b'{"receiver": "+8613715266978", "signingSecret": "swh_x"}') == {
        "receiver": "********978",
        "signingSecret": "********",
    }
    assert changed({"msisdn": "+86138", "a": 1}, {"msisdn": "+86139", "a": 1}) == {
        "msisdn": ["********138", "********139"]
    }
    assert changed({"a": 1}, {"a": 1}) is None
    assert changed({"a": 1}, None) == {"a": [1, None]}
