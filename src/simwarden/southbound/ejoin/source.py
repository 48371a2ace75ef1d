"""Ejoin gateways as a kind of network element."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simwarden.domain.rates import MOST_BURST, MOST_RATE, RateLimit
from simwarden.engine.element_rates import ElementLimits, ElementRates
from simwarden.engine.ports import CommandFailed, ElementRules
from simwarden.southbound.ejoin.network import EjoinNetwork
from simwarden.southbound.ejoin.receiver import Receiver
from simwarden.southbound.ejoin.settings import EjoinSettings
from simwarden.southbound.source import ElementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from simwarden.engine.ports import Registration
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

PATIENCE = 5.0
"""Seconds that a report beyond its gateway's rate waits for its turn."""


class EjoinSource:
    """They push reports to the server's own port, and take commands over HTTP."""

    def __init__(self, services: SourceServices, settings: EjoinSettings) -> None:
        self._services = services
        buckets = services.buckets
        limits = ElementLimits(
            requests=_limit(settings.reports_per_gateway),
            kib=_limit(settings.report_kib_per_gateway),
            at_once=settings.open_reports_per_gateway,
            patience=PATIENCE,
        )
        self._receiver = Receiver(
            services.elements,
            services.ingest,
            counted=services.counted,
            guesses=services.guesses,
            rates=None if buckets is None else ElementRates(buckets, limits),
            refused=services.refused,
        )

    def routes(self) -> Sequence[BaseRoute]:
        """The report URLs."""
        return self._receiver.routes()

    async def start(self) -> None:
        """There are no listeners but the server's own port."""

    async def stop(self) -> None:
        """There are no listeners but the server's own port."""

    def driver(self, access: CommandAccess) -> EjoinNetwork:
        """Raises CommandFailed for a gateway without a command URL, and ValueError for one that is none."""
        if access.url is None:
            raise CommandFailed("The gateway has no command URL: add one to let Simwarden lock and unlock")
        return EjoinNetwork(self._services.session, access, self._services.command_timeout)


def _limit(rate: int) -> RateLimit:
    return RateLimit(min(rate, MOST_RATE), min(10 * rate, MOST_BURST))


def check(wanted: Registration) -> None:
    """The command URL, if any, names a host, and a port if any. Raises ValueError."""
    if wanted.command_url is None:
        return
    try:
        url = urlsplit(wanted.command_url)
        is_url = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise ValueError("commandUrl must be http://HOST[:PORT] or https://HOST[:PORT]")


SOURCE = ElementKind(
    name="ejoin",
    settings=EjoinSettings,
    rules=ElementRules(check=check, reports_to_url=True),
    sends=True,
    build=EjoinSource,
)
