"""What was answered, kept until it expires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from simwarden.engine.eligibility import Eligibility
from simwarden.store import eligibility as store

if TYPE_CHECKING:
    from simwarden.northbound.kernel.services import Making


class EligibilitySettings(Protocol):
    """Those of this API."""

    eligibility_seconds: int
    eligibility_responses_per_account: int


def make(of: Making) -> Eligibility:
    """The answers of a world; those of the sandbox are about SIMs that are not in the register."""
    settings: EligibilitySettings = of.settings
    return Eligibility(
        of.database,
        seconds=settings.eligibility_seconds,
        per_account=settings.eligibility_responses_per_account,
        registered=not of.virtual,
    )


prune = store.prune
