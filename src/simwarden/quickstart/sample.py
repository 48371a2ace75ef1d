"""The sample data: one account, one application, eight SIMs, two gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.accounts.applications import Issued, issue, open_account
from simwarden.domain.errors import AccountNotFound, AlreadyExists, ApplicationNotFound, SimExists, SimwardenError
from simwarden.engine import provision
from simwarden.simulator.fleet import FleetPlan
from simwarden.store import removal
from simwarden.store.accounts import Accounts
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.events import Cause
    from simwarden.simulator.identity import VirtualSim
    from simwarden.simulator.server import GatewayServer
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

ACCOUNT = "quickstart"
APPLICATION = "quickstart"
INTERVAL = 5
"""Seconds between two reports of a virtual gateway."""
PLAN = FleetPlan(
    gateways=2,
    prefix="virtual",
    ports=8,
    slots=1,
    fill=0.5,
    interval=float(INTERVAL),
    imsi_base=1_010_000_000_000,
    first_card=990_000_000,
)
"""Ports 1 to 4 of each gateway hold a card, 5 to 8 are empty. The IMSIs are of the test network 001 01."""
SCOPES = (
    "iot-sim-fraud-prevention:bind",
    "iot-sim-fraud-prevention:unbind",
    "iot-sim-fraud-prevention:query",
    "iot-sim-fraud-prevention-subscriptions:subscribe",
    "iot-sim-fraud-prevention-subscriptions:read",
    "iot-sim-fraud-prevention-subscriptions:delete",
    "device-communication-function:manage",
    "device-communication-function:read",
    "listen:receive",
)


class NotOurs(SimwardenError):
    """The account of the quickstart holds what the quickstart did not make."""


def names() -> list[str]:
    """The names of the virtual gateways."""
    return [f"{PLAN.prefix}{number}" for number in range(1, PLAN.gateways + 1)]


async def application(db: Database) -> Issued:
    """The sample application with a new secret, in the sample account; an older one is revoked."""
    accounts = Accounts(db)
    try:
        await open_account(accounts, ACCOUNT)
    except AlreadyExists:
        try:
            old = await accounts.named(f"{ACCOUNT}/{APPLICATION}")
        except ApplicationNotFound:
            pass
        else:
            await accounts.revoke(old.app_key)
    return await issue(accounts, ACCOUNT, APPLICATION, SCOPES)


async def register(db: Database, cards: Iterable[VirtualSim], cause: Cause) -> int:
    """Register the SIMs that are not there yet; returns how many those were. Raises NotOurs, AccountNotFound."""
    owner = (await Accounts(db).get(ACCOUNT)).id
    there = set(await removal.sims_of(db, owner))
    added = 0
    for card in cards:
        if card.imsi in there:
            continue
        sim = provision.new_sim(owner, imsi=card.imsi, iccid=card.iccid, msisdn=f"+{card.msisdn}")
        try:
            await provision.add(db, sim, cause)
        except SimExists as error:
            raise NotOurs(f"A sample SIM cannot be registered: {error.message}") from error
        added += 1
    return added


async def connect(db: Database, vault: Vault, server: GatewayServer) -> str:
    """Register a virtual gateway, or its new address, and return the token of its report URL."""
    gateways = Gateways(db, vault)
    try:
        _, token = await gateways.add(
            server.name,
            kind="ejoin",
            command_url=server.command_url,
            username=PLAN.username,
            password=PLAN.password,
            report_interval=INTERVAL,
        )
    except AlreadyExists:
        await gateways.set_command_url(server.name, server.command_url)
        token = await gateways.renew_token(server.name)
    return token


async def remove(db: Database, cards: Iterable[VirtualSim]) -> int | None:
    """Remove everything that the quickstart made; returns how many SIMs that were, None when there was nothing.

    Raises NotOurs when the account holds other SIMs too.
    """
    try:
        owner = await Accounts(db).get(ACCOUNT)
    except AccountNotFound:
        return None
    others = set(await removal.sims_of(db, owner.id)) - {card.imsi for card in cards}
    if others:
        raise NotOurs(
            f"The account {ACCOUNT} holds {len(others)} SIMs that are not the quickstart's, for example {min(others)}. "
            "Nothing was removed."
        )
    return await removal.remove_account(db, owner.id, names())
