"""x-eligibility-response-id: a call that names what it was answered about the eligibility of its SIM.

CAMARA's draft of Eligibility Info has the call rejected that needs another scope than those that were checked and found
eligible. Which SIM the call is about is known to its operation alone, so the one SIM that is allowed goes on with the
caller, and `Devices.covered` holds the call's own name against it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, cast
from uuid import UUID

import msgspec

from simwarden.domain.eligibility import NotEligible
from simwarden.domain.sim import OneSim
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.domain.sim import Sim, SimRef
    from simwarden.engine.eligibility import KeptEligibility
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.steps import CheckedCall

HEADER = b"x-eligibility-response-id"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class EligibilityResponses(Protocol):
    """Knows what was answered."""

    async def keep(self, app_key: str, sim: Sim, number: str, scopes: Collection[str], /) -> KeptEligibility:
        """Keep for which scopes a SIM was found eligible, as it was read. Raises TooManyResponses."""

    async def covered(self, id: UUID, app_key: str, scopes: Collection[str], /) -> frozenset[SimRef]:  # noqa: A002
        """The names of the SIM that the application may call about with any of these scopes. Raises NotEligible."""


class HeldAgainstResponse:
    """The step."""

    def __init__(self, responses: EligibilityResponses) -> None:
        self._responses = responses

    async def __call__(self, given: str, call: CheckedCall, /) -> TokenHolder:
        """The caller as it may call by the response that it names: about one SIM.

        Raises InvalidArgument for what is no UUID, NotEligible.
        """
        if not _ID.fullmatch(given):
            raise InvalidArgument("Invalid format: x-eligibility-response-id")
        if not call.endpoint.about_sim:
            raise NotEligible("An eligibility response is about one SIM, and this operation is not")
        caller = call.caller
        names = await self._responses.covered(UUID(given), caller.app_key, caller.scopes & call.allowing)
        only = OneSim(names, NotEligible("The eligibility response is about another subscription"))
        return cast("TokenHolder", msgspec.structs.replace(cast("msgspec.Struct", caller), only=only))
