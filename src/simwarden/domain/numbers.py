"""Phone numbers and the SIMs that have had them: a SIM swap and a change of subscriber follow the number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

ON_ITS_WAY = timedelta(days=1)
"""So long a number may be without a SIM and still count as its account's: it goes from one card to another."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A phone number belongs to a SIM, or did."""

    number: str
    imsi: str
    account_id: str
    since: datetime
    """When the SIM was given the number; for a number that is new in the record, when that was by what was imported."""
    until: datetime | None = None
    """When it was taken away; None: it has it."""
    sim_since: datetime
    """When the number came to this SIM from another one, or at first; earlier than `since` where it was taken from the
    SIM and given back."""
    owner_since: datetime
    """Since when the number has been the account's without a break of more than `ON_ITS_WAY`."""
    begin_known: bool
    """`owner_since` is when the account got the number. False: it is where the record begins."""


def assign(
    before: Assignment | None,
    *,
    number: str,
    imsi: str,
    account_id: str,
    now: datetime,
    activated: datetime | None = None,
) -> Assignment:
    """The number is given to a SIM now. `before`: the newest assignment in the record, which is over.

    `activated`: since when the SIM has had the number according to whoever registers it. What the record says of the
    time before comes first.
    """
    since = now if activated is None else min(now, activated)
    if before is None:
        return Assignment(
            number=number,
            imsi=imsi,
            account_id=account_id,
            since=since,
            sim_since=since,
            owner_since=since,
            begin_known=activated is not None,
        )
    free = before.until or now
    since = max(since, free)
    stays = before.account_id == account_id and since - free <= ON_ITS_WAY
    return Assignment(
        number=number,
        imsi=imsi,
        account_id=account_id,
        since=since,
        sim_since=before.sim_since if before.imsi == imsi else since,
        owner_since=before.owner_since if stays else since,
        begin_known=before.begin_known if stays else True,
    )


def of_registration(sim: Sim) -> Assignment | None:
    """The assignment of a number that its SIM was registered with and that was new in the record; else None."""
    at = sim.number_since
    if at is None or sim.msisdn is None:
        return None
    return Assignment(
        number=sim.msisdn,
        imsi=sim.imsi,
        account_id=sim.account_id,
        since=at,
        sim_since=at,
        owner_since=at,
        begin_known=False,
    )


def is_swap(before: Assignment | None, after: Assignment) -> bool:
    """Whether the number came from another SIM."""
    return before is not None and before.imsi != after.imsi


def owned_since(assignment: Assignment, at: datetime) -> bool | None:
    """Whether the account has had the number since this time. None: the record does not reach back so far."""
    if assignment.owner_since <= at:
        return True
    return False if assignment.begin_known else None
