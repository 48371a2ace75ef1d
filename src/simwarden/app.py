"""The ASGI application: what answers from the first moment on, and the parts once they are there."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from simwarden import logs, telemetry
from simwarden import settings as settings_module
from simwarden.container import Container
from simwarden.edge import errors, tls
from simwarden.edge.admin import AdminListener
from simwarden.edge.bodies import Bodies
from simwarden.edge.bodies import Limits as BodyLimits
from simwarden.edge.clients import Proxies
from simwarden.edge.door import FrontDoor
from simwarden.northbound import ApisFirst
from simwarden.opening import Opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from simwarden.settings import Settings

GARBAGE = 20_000
"""New objects after which the collector looks at those that are young: a batch of reports makes thousands that live
until it is written, and Python's 700 would have each walked through twice meanwhile."""


def from_environment() -> ASGIApp:
    """The application as the settings in the environment want it; what worker processes load."""
    settings, _ = settings_module.load()
    logs.configure_logs(settings)
    app = create(settings)
    spare_collector()
    return app


def spare_collector() -> None:
    """What is loaded by now stays: the collector need not walk through it, which took 20 to 50 ms again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


def create(settings: Settings) -> ASGIApp:
    """The application. Connections are opened when it starts and closed when it stops."""
    metrics = telemetry.Metrics()

    def refused(reason: str) -> None:
        metrics.refused.labels(reason).inc()

    limits = BodyLimits(
        seconds=settings.body_seconds,
        rate=settings.body_rate,
        per_address=settings.bodies_per_address,
        total=settings.bodies_open,
    )
    bodies, proxies = Bodies(limits, counted=refused), Proxies(settings.trusted_proxies)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        opening = Opening()
        inner = Starlette(routes=opening.routes(), exception_handlers=errors.HANDLERS)
        inside = ApisFirst(inner)
        app.router.routes[:] = opening.routes()

        def opened(container: Container) -> None:
            for table, served, administration in ((app, outside, settings.admin_port is None), (inner, inside, True)):
                table.router.routes[:] = container.routes(administration=administration)
                served.apis = container.apis(administration=administration)

        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(opening.kept_open(lambda: Container.open(settings, metrics), opened))
            if settings.admin_port is not None:  # listens when the main port does: who can open at once refuses nobody
                door = FrontDoor(inside, bodies, proxies, counted=refused)
                admin = AdminListener(door, settings.admin_host, settings.admin_port, tls.server_context(settings))
                stack.push_async_callback(admin.stop)
                await admin.start()
            yield

    app = Starlette(lifespan=lifespan, exception_handlers=errors.HANDLERS)
    outside = ApisFirst(app)
    return FrontDoor(outside, bodies, proxies, counted=refused)
