"""What an API can be built on: the parts of the house that folders of APIs choose from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from simwarden.engine.bulk_jobs import BulkJobs
    from simwarden.engine.subscriptions import Subscriptions
    from simwarden.northbound.kernel.devices import Devices
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import (
        BillReader,
        Commands,
        FunctionSource,
        MessageReader,
        MessageSender,
        ModelTable,
        OptOutBook,
        PlaceFinder,
        RecordReader,
        SimFinder,
    )
    from simwarden.notify.inbox import Inboxes
    from simwarden.store.accounts import Accounts
    from simwarden.store.database import Database
    from simwarden.store.pseudonyms import Pseudonyms


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """What the own part of an API is made of."""

    database: Database
    settings: Any
    """The server's; the folder says by a protocol which of them it needs."""
    virtual: bool = False
    """It is for the sandbox, whose SIMs are not in the register."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """One world that the APIs act upon: the live one, the sandbox, or one of a test."""

    edge: Edge
    devices: Devices
    commands: Commands
    sims: SimFinder
    """Those of this world. An API that has to know more of them says what in a protocol of its own, and is not there
    where they do not meet it."""
    accounts: Accounts
    functions: FunctionSource
    subscriptions: Subscriptions
    inboxes: Inboxes
    places: PlaceFinder | None = None
    """None: nobody knows where SIMs are, and there is no API for it."""
    smallest_area_radius: float = 1.0
    """Metres. Location APIs answer about no smaller circle."""
    models: ModelTable
    pseudonyms: Pseudonyms
    swaps_monitored_days: int | None = None
    """How far back the swap APIs may tell; None for no limit."""
    traffic_kept_days: int = 400
    """How far back it is known how many calls and messages a SIM had."""
    messages: MessageReader | None = None
    """None: no received messages are kept here, and there is no API for them."""
    opt_outs: OptOutBook | None = None
    """None: nobody opts out here, and there are no operations for it."""
    hotzone_baselines_per_minute: int = 300
    """How often `fraud-hotzone` reads in a minute, for an account, what is usual among SIMs of one model."""
    sending: MessageSender | None = None
    """None: nothing is sent here."""
    records: RecordReader | None = None
    """None: nothing is kept of what SIMs did, and there is no API for it."""
    billing: BillReader | None = None
    """None: nobody is charged here, and there is no API for it."""
    operations: BulkJobs | None = None
    """None: there is no work in the background here, and no API for it."""
    own: Mapping[str, Any] = MappingProxyType({})
    """By the API's name what it alone is built on, and brings itself (`northbound.own_parts`)."""
    allow_private_sinks: bool = False
    """Events may go to plain http and private addresses (demo and tests)."""
    subscriptions_async: bool = False
    """Creating and deleting subscriptions is answered 202, not 201 and 204."""
