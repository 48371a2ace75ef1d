"""The driver of network elements that ask or report, and take no commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.engine.ports import Capabilities, ProvenBy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.ports import TargetState


class PassiveDriver:
    """Switches nothing, and shows nothing: no SIM has a target at such an element."""

    generation = None
    capabilities = Capabilities((), ProvenBy.ANSWER)

    async def apply(self, states: Sequence[TargetState]) -> None:
        """There is nothing to be done."""

    async def observe(self) -> None:
        """It cannot be asked."""
