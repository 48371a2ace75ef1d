"""Being patient with a database that cannot be used, and saying so once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, LONGEST = 0.2, 3.0
log = structlog.get_logger(__name__)


class Outage:
    """One line in the log when it begins and one when it is over, however often it is met with."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        self._noticed = noticed
        self._wait = 0.0

    @property
    def present(self) -> bool:
        """Whether the database could not be used the last time."""
        return self._wait > 0

    def began(self, error: Exception) -> float:
        """Met with an error; returns the seconds to wait before the next try."""
        if not self.present:
            log.warning("notifications wait for the database", error=str(error) or type(error).__name__)
            self._noticed()
        self._wait = min(self._wait * 2 or FIRST, LONGEST)
        return self._wait

    def over(self) -> None:
        """It could be used."""
        if self.present:
            log.info("notifications go on")
        self._wait = 0.0
