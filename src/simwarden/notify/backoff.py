"""How long notifications wait for a database that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, LONGEST = 0.2, 3.0
log = structlog.get_logger(__name__)


class Backoff:
    """One line in the log when it begins and one when it is over, however often it is met with."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        self._noticed = noticed
        self._wait = 0.0

    @property
    def present(self) -> bool:
        """Whether the database could not be used the last time."""
        return self._wait > 0

    def failed(self, error: Exception) -> float:
        """The database could not be used; returns the seconds to wait before the next try."""
        if not self.present:
            log.warning("notifications wait for the database", error=str(error) or type(error).__name__)
            self._noticed()
        self._wait = min(self._wait * 2 or FIRST, LONGEST)
        return self._wait

    def succeeded(self) -> None:
        """It could be used."""
        if self.present:
            log.info("notifications continue")
        self._wait = 0.0
