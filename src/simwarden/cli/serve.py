"""`simwarden serve`: the database, the workers, and one process that watches over them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from simwarden import __version__, logs
from simwarden import settings as settings_module
from simwarden.cli import tls
from simwarden.cli.common import current_settings
from simwarden.domain.errors import SimwardenError
from simwarden.settings import masked_url
from simwarden.store import migrate
from simwarden.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from types import FrameType

    from simwarden.settings import Settings

_EXAMPLES = """
\b
Examples:
  simwarden serve
  simwarden serve --port 9000 --data-dir ./data
  simwarden serve --workers 2 --database-url postgresql://simwarden@db/simwarden
"""
_WATCH_SECONDS = 0.5
_PORT_SECONDS = 2.0
_HEAD_BYTES = 64 * 1024
"""Of a request's head; longer ones are answered 431."""
_FILES = 1024
"""Open files beside those connections: sinks, gateways, the database, logs."""


@click.command(epilog=_EXAMPLES)
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one [8080].")
@click.option("--data-dir", help="Folder of the embedded PostgreSQL and the master key.")
@click.option("--database-url", help="A PostgreSQL of your own, 15 or later.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes [1].")
@click.option("--allow-private-sinks", is_flag=True, default=None, help="Let sinks be http and on private addresses.")
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]), help="How to log [auto].")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="What to log [info].")
def serve(**flags: object) -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    settings, _ = current_settings(**flags)
    if settings.port == 0:
        settings = msgspec.structs.replace(settings, port=_free_port(settings.host))
    logs.configure_logs(settings)
    run(settings)


def run(settings: Settings) -> None:
    """Serve with these settings; returns when told to stop. Raises SimwardenError when it cannot begin."""
    tls.arguments(settings)  # what cannot work is said before the database starts
    _refuse_taken_port(settings)
    signal.signal(signal.SIGTERM, _interrupt)  # also while the database is still starting
    server = None
    stop = threading.Event()
    try:
        if settings.database_url is None:
            server = EmbeddedPostgres(Path(settings.data_dir))
            settings = msgspec.structs.replace(settings, database_url=server.acquire(serve=True))
            threading.Thread(target=_watch_over, args=(server, stop), daemon=True, name="postgres-watch").start()
        settings_module.master_key(settings)  # made before workers could race for it
        asyncio.run(_prepare(settings))
        _serve(settings)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        if server is not None:
            server.release()


async def _prepare(settings: Settings) -> None:
    assert settings.database_url is not None
    for migration in await migrate.migrate(settings.database_url):
        click.echo(f"Applied migration {migration.version:04}_{migration.name}", err=True)


def _serve(settings: Settings) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    os.environ.update(settings.environment())
    if settings.workers > 1:
        directory = Path(settings.data_dir).expanduser() / "run" / f"metrics-{settings.port}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    assert settings.database_url is not None
    click.echo(
        f"Simwarden {__version__} on {settings.base_url}  (database: {masked_url(settings.database_url)})", err=True
    )
    Granian(
        "simwarden.app:from_environment",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.workers,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        backlog=2048,
        backpressure=_connections(settings),
        http=HTTPModes(settings.http),
        http1_settings=HTTP1Settings(
            header_read_timeout=max(1, int(settings.head_seconds * 1000)), max_buffer_size=_HEAD_BYTES
        ),
        http2_settings=HTTP2Settings(
            keep_alive_interval=10_000, max_concurrent_streams=100, max_headers_size=_HEAD_BYTES
        ),
        websockets=False,
        log_level=LogLevels.warning if settings.log_level == "info" else LogLevels(settings.log_level),
        log_dictconfig=None,
        **tls.arguments(settings),
    ).serve()


def _connections(settings: Settings) -> int:
    """Connections that each worker may hold open, as far as the limit on open files lets it; raises that if it can."""
    wanted = settings.connections // settings.workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + _FILES:
        most = wanted + _FILES if hard == resource.RLIM_INFINITY else min(wanted + _FILES, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        wanted = min(wanted, max(soft - _FILES, soft // 2))
    return max(1, wanted)


def _watch_over(server: EmbeddedPostgres, stop: threading.Event) -> None:
    """Start the database again when it dies: the workers wait for it meanwhile."""
    while not stop.wait(_WATCH_SECONDS):
        try:
            if server.revive():
                click.echo("The embedded PostgreSQL had died and was started again", err=True)
        except SimwardenError as error:
            click.echo(f"The embedded PostgreSQL cannot be started: {error.message}", err=True)
        except Exception as error:  # no room for a file, no process left: nobody else would start it ever again
            click.echo(f"The embedded PostgreSQL cannot be started: {type(error).__name__}: {error}", err=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _refuse_taken_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    until = time.monotonic() + _PORT_SECONDS
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
            except OSError as error:
                if time.monotonic() > until:  # workers of a server that was killed need a moment to go
                    reason = error.strerror or error
                    where = f"{settings.host}:{settings.port}"
                    raise SimwardenError(f"Cannot listen on {where}: {reason}. Choose another with --port.") from error
            else:
                return
        time.sleep(0.1)


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
