"""Subscriptions to how virtual SIMs stand: what they begin with, and what is played."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from simwarden.domain.events import EventType
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.subscriptions import NewSubscription
from simwarden.kit.clock import now_utc
from simwarden.sandbox import rules
from simwarden.sandbox.subscriptions import Player, SandboxSubscriptions
from simwarden.store import sandbox

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

FRANCE = {"countryCode": 208, "countryName": ["FR"]}
TOPICS = {
    "reachability": EventType.REACHABILITY_CHANGED,
    "roaming": EventType.ROAMING_CHANGED,
    "network": EventType.NETWORK_TYPE_CHANGED,
    "data": EventType.DATA_USED,
}


def network(generation: str) -> dict[str, str]:
    return {"connectedNetworkType": generation}


@pytest.mark.parametrize(
    ("digit", "name", "begins", "plays"),
    [
        ("0", "reachability-data", [{}], [{}] * 10),
        ("1", "reachability-sms", [{}], [{}]),
        ("1", "reachability-data", [], [{}]),
        ("2", "reachability-disconnected", [{}], [{}, {}]),
        ("5", "reachability-disconnected", [], [{}]),
        ("2", "roaming-status", [{"roaming": False}], [{"roaming": True, **FRANCE}, {"roaming": False}]),
        ("3", "roaming-on", [{}], [{}]),
        ("3", "roaming-change-country", [], [{"countryCode": 206, "countryName": ["BE"]}]),
        ("8", "roaming-off", [{}], []),
        ("2", "network-type-changed", [network("3G")], [network("5G"), network("4G")]),
        ("3", "network-type-changed", [network("5G")], [network("4G")]),
        ("5", "network-type-changed", [network("UNKNOWN")], [network("5G")]),
        ("8", "network-type-changed", [network("UNKNOWN")], []),
        ("0", "data-50-percent", [], [{}]),
        ("3", "data-90-percent", [{}], []),
        ("3", "data-exceeded", [], [{}]),
        ("8", "data-exceeded", [{}], []),
    ],
)
async def test_what_is_played(
    database: Database, vault: Vault, digit: str, name: str, begins: list[Any], plays: list[Any]
) -> None:
    await database.execute("insert into account (id, name) values ('acc_trial', 'Trial') on conflict do nothing")
    subscriptions = SandboxSubscriptions(Player(database), database, vault, allow_private_sinks=True)
    sim = rules.virtual("acc_trial", SimRef(IdentifierKind.MSISDN, f"+861380000771{digit}"), now_utc())
    assert sim is not None
    made, _ = await subscriptions.create(
        NewSubscription(
            sim=sim,
            account_id="acc_trial",
            app_key="trial",
            api="trial",
            topic=TOPICS[name.partition("-")[0]],
            type=f"org.camaraproject.trial.v0.{name}",
            protocol="HTTP",
            sink="http://127.0.0.1:1/",
            protocol_settings=None,
            device=None,
            config={},
            credential=None,
            expires_at=None,
            max_events=None,
            initial_event=True,
        )
    )
    told = "select data from delivery where subscription_id = $1 and type not like '%.subscription-%' order by n"
    assert [row["data"] for row in await database.fetch(told, made.id)] == begins
    await sandbox.play(database, now_utc() + timedelta(minutes=1))
    assert [row["data"] for row in await database.fetch(told, made.id)] == begins + plays
