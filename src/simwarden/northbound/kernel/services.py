"""What an API can be built on: the parts of the house that folders of APIs choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from simwarden.northbound.kernel.devices import Devices
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import (
        Commands,
        FunctionSource,
        LifeSource,
        OperationBook,
        PreferenceSource,
        SubscriptionBook,
    )
    from simwarden.notify.inbox import Inboxes


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """One world that the APIs act upon: the live one, the sandbox, or one of a test."""

    edge: Edge
    devices: Devices
    commands: Commands
    accounts: PreferenceSource
    functions: FunctionSource
    subscriptions: SubscriptionBook
    inboxes: Inboxes
    operations: OperationBook | None = None
    """None: there is no work in the background here, and no API for it."""
    lives: LifeSource | None = None
    """None: SIMs have no history of states here, and no API for it."""
    allow_private_sinks: bool = False
    """Events may go to plain http and private addresses (demo and tests)."""
    subscriptions_async: bool = False
    """Creating and deleting subscriptions is answered 202, not 201 and 204."""
