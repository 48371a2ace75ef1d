"""Whether an application may use a SIM's data for a purpose (decision 0049): accounts decide, and users of SIMs.

Any refusal counts, of the account or of the SIM's user. Where nobody has refused, one grant that covers all scopes is
enough. Where there is neither, the question is open.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.domain.errors import InvalidValue
from simwarden.store import revocations
from simwarden.store.consents import Consent, Consents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from simwarden.store.database import Database

ALL = ""
"""In place of a phone number: all SIMs of the account."""
KEPT = timedelta(days=1)
"""How long the tokens of a consent that was withdrawn are refused: longer than any of them lives."""


class ConsentVerdict(enum.Enum):
    """What the decisions come to."""

    GRANTED = "granted"
    DENIED = "denied"
    OPEN = "open"
    """Nobody has decided."""


class NoScopes(InvalidValue):
    """A consent to some scopes names those of the application only."""


def judge(decisions: Iterable[Consent], scopes: Collection[str]) -> ConsentVerdict:
    """What decisions about a SIM and about all SIMs come to, for these scopes of APIs."""
    found = list(decisions)
    if any(not each.granted for each in found):
        return ConsentVerdict.DENIED
    if any(not each.scopes or set(scopes) <= set(each.scopes) for each in found):
        return ConsentVerdict.GRANTED
    return ConsentVerdict.OPEN


async def verdict(
    consents: Consents, app_key: str, purpose: str, msisdn: str, scopes: Collection[str]
) -> ConsentVerdict:
    """Whether the application may. Raises StoreUnavailable."""
    return judge(await consents.of_sim(app_key, purpose, msisdn), scopes)


async def decide(db: Database, decision: Consent) -> None:
    """Write a decision down. One that grants less than the one before ends the tokens that rest on that, in the same
    transaction."""
    async with db.transaction() as connection:
        consents = Consents(connection)
        before = await consents.of_sim(decision.app_key, decision.purpose, decision.msisdn)
        await consents.set(decision)
        old = next((each for each in before if each.msisdn == decision.msisdn), None)
        if not decision.granted or (old is not None and old.granted and not _covers(decision, old)):
            about, now = (decision.app_key, decision.purpose, decision.msisdn), decision.decided_at
            await revocations.end_consent(connection, *about, now, now + KEPT)


async def withdraw(db: Database, app_key: str, purpose: str, msisdn: str, now: datetime) -> bool:
    """Forget a decision, and end the tokens that rest on it, in one transaction; returns whether there was one."""
    async with db.transaction() as connection:
        there = await Consents(connection).delete(app_key, purpose, msisdn)
        await revocations.end_consent(connection, app_key, purpose, msisdn, now, now + KEPT)
    return there


def _covers(new: Consent, old: Consent) -> bool:
    return not new.scopes or (bool(old.scopes) and set(old.scopes) <= set(new.scopes))
