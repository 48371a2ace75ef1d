"""Steps: what one API wants done with the calls of all APIs that carry a header of its own.

`Api(steps=...)` of that API names header and step. `northbound.apis` gives the steps of all APIs to each of them, so a
new one touches no other folder. A call without the header does nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from simwarden.northbound.kernel.ports import TokenHolder

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Endpoint


class CheckedCall(msgspec.Struct, frozen=True):
    """A call at the place where steps are taken: whose it is and for which operation, behind all that is checked of its
    token, scopes, rate, size and Idempotency-Key, and before its quota."""

    api: str
    endpoint: Endpoint
    allowing: frozenset[str]
    """The scopes of which any one allows the operation."""
    caller: TokenHolder
    """As the steps before this one left it."""


class CallStep(Protocol):
    """Looks at a call that carries the header."""

    async def __call__(self, given: str, call: CheckedCall, /) -> TokenHolder:
        """The caller with whom the call goes on, as a rule narrowed by `only`.

        `given`: what the header says, in Latin-1; of a repeated one the first. Raises SimwardenError to refuse the
        call.
        """
