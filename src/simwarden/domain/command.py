"""What can be done to one SIM, as data: the same for a customer's call, an operator's and a job on many SIMs. Pure."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True):
    """Something to be done to one SIM. The commands are in the modules of `domain.rules`, beside what decides them.

    One that has a `tag` can be the action of a job on many SIMs, and is stored with it.
    """

    @property
    def verb(self) -> str:
        """The one word by which people ask for it."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """What the history of a SIM says of it."""
        return self.verb
