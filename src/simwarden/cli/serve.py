"""`simwarden serve`: the database, the workers, and one process that watches over them."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
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

from simwarden import __version__, logs, standby
from simwarden.cli import first_key, tls
from simwarden.cli.common import current_settings
from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.settings import keys, masked_url
from simwarden.settings.keys import has_master_key
from simwarden.store import key_check, migrate
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from types import FrameType

    from simwarden.settings import Settings

_EXAMPLES = """
\b
Examples:
  simwarden serve
  simwarden serve --port 9000 --data-dir ./data
  simwarden serve --workers 2 --database-url postgresql://simwarden@db/x
"""
_WATCH_SECONDS = 0.5
_PORT_SECONDS = 2.0
_PREPARE_SECONDS = 1.0
_HEAD_BYTES = 64 * 1024
"""Of a request's head; longer ones are answered 431."""
_FILES = 1024
"""Open files beside those connections: sinks, gateways, the database, logs."""


@click.command(epilog=_EXAMPLES)
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one [8080].")
@click.option("--data-dir", help="Folder of the embedded PostgreSQL and the master key.")
@click.option("--database-url", help="A PostgreSQL of your own, 15 or later.")
@click.option("--standby", is_flag=True, default=None, help="Answer reads, send nothing, until simwarden db promote.")
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
    _refuse_taken_ports(settings)
    signal.signal(signal.SIGTERM, _interrupt)  # also while the database is still starting
    server = None
    stop = threading.Event()
    try:
        if settings.database_url is None:
            server = EmbeddedPostgres(Path(settings.data_dir))
            if settings.standby and not server.exists:
                raise SimwardenError(f"A standby needs a database, and there is none in {server.data_dir}.")
            settings = msgspec.structs.replace(settings, database_url=server.acquire(serve=True))
            threading.Thread(target=_watch_over, args=(server, stop), daemon=True, name="postgres-watch").start()
        if settings.standby and not has_master_key(settings):
            raise SimwardenError("A standby needs the master key of the server whose database it reads.")
        standby.begin(settings)
        keys.master_key(settings)  # made before workers could race for it
        if not _prepared(settings):
            threading.Thread(target=_keep_preparing, args=(settings, stop), daemon=True, name="prepare").start()
        _refuse_taken_ports(settings)  # again: the database took a while, and Granian panics when it cannot bind
        _serve(settings)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        if server is not None:
            server.release()


async def _prepare(settings: Settings) -> None:
    """Bring the database up to date, and see that it belongs to our master key.

    Raises StoreUnavailable, and what waiting does not mend: DatabaseRefuses, DatabaseTooNew, WrongMasterKey.
    """
    assert settings.database_url is not None
    vault = Vault(keys.master_key(settings))
    if settings.standby:
        found = await migrate.status(settings.database_url)
        migrate.refuse_newer(found)
        if found.pending:
            raise StoreUnavailable(f"The database is at migration {found.version} of {found.target}")
        await key_check.check(settings.database_url, vault, claim=False)
        return
    for migration in await migrate.migrate(settings.database_url):
        click.echo(f"Applied migration {migration.version:04}_{migration.name}", err=True)
    await key_check.check(settings.database_url, vault)
    if said := await first_key.leave(settings, settings.database_url):
        click.echo(said, err=True)
    if settings.serves_console:
        click.echo(await first_key.console(settings, settings.database_url, vault), err=True)


def _prepared(settings: Settings) -> bool:
    """Whether the database could be prepared; a database that is away is waited for. Raises SimwardenError."""
    try:
        asyncio.run(_prepare(settings))
    except StoreUnavailable as error:
        assert settings.database_url is not None
        where = masked_url(settings.database_url)
        click.echo(f"{error.message}. Waiting for it at {where}; calls are answered 503 meanwhile.", err=True)
        return False
    return True


def _keep_preparing(settings: Settings, stop: threading.Event) -> None:
    """Until it is done. The workers look for themselves whether they can begin, and end for no reason here."""
    told = ""
    while not stop.wait(_PREPARE_SECONDS):
        try:
            asyncio.run(_prepare(settings))
        except Exception as error:
            reason = error.message if isinstance(error, SimwardenError) else f"{type(error).__name__}: {error}"
            if reason != told and told:
                click.echo(f"The database cannot be prepared yet: {reason}", err=True)
            told = reason
        else:
            click.echo("The database is there", err=True)
            return


def _serve(settings: Settings) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    from simwarden.cli.supervisor import Supervisor

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
    # A copy of this process would inherit threads' locks in whatever state they are, and hold its files open.
    multiprocessing.set_start_method("spawn", force=True)
    Supervisor(
        "simwarden.app:from_environment",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.workers,
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


def _refuse_taken_ports(settings: Settings) -> None:
    _refuse_taken_port(settings.host, settings.port, "--port")
    if settings.admin_port is not None:
        _refuse_taken_port(settings.admin_host, settings.admin_port, "SIMWARDEN_ADMIN_PORT")


def _refuse_taken_port(host: str, port: int, choose: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + _PORT_SECONDS
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if time.monotonic() > until:  # workers of a server that was killed need a moment to go
                    reason = error.strerror or error
                    where = f"{host}:{port}"
                    raise SimwardenError(
                        f"Cannot listen on {where}: {reason}. Choose another with {choose}."
                    ) from error
            else:
                return
        time.sleep(0.1)


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
