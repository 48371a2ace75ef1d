"""PostgreSQL's client programs (pg_dump, pg_restore, psql): which ones fit a server, and how they are given a URL."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.store import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED = ("pg_dump", "pg_restore", "psql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_DEBIAN = Path("/usr/lib/postgresql")
_LIBPQ = frozenset(
    {"host", "hostaddr", "port", "user", "dbname", "passfile", "application_name", "connect_timeout", "options"}
    | {"sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "target_session_attrs"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "gssencmode", "krbsrvname"}
)
"""Parameters of a URL that libpq knows (PostgreSQL manual 32.1.2). asyncpg takes all others for settings."""


class NoPrograms(SimwardenError):
    """There is no pg_dump here that is new enough for the server."""


class Programs(msgspec.Struct, frozen=True):
    """A folder with pg_dump, pg_restore and psql of one version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """One of the programs."""
        return str(self.folder / name)


def find(server_major: int) -> Programs:
    """The newest client programs on this machine. Raises NoPrograms when they are older than the server.

    pg_dump reads servers of its own version and older ones, never newer ones.
    """
    found = [Programs(folder, major) for folder in _folders() if (major := _major(folder)) is not None]
    newest = max(found, key=lambda programs: programs.major, default=None)
    if newest is None or newest.major < server_major:
        here = f"the newest pg_dump here is {newest.major} ({newest.folder})" if newest else "there is no pg_dump here"
        raise NoPrograms(
            f"The database is PostgreSQL {server_major}, and {here}. Install the client programs of PostgreSQL "
            f"{server_major} (Debian, Ubuntu: postgresql-client-{server_major}) and put them in PATH."
        )
    return newest


def _folders() -> Iterator[Path]:
    with contextlib.suppress(embedded.EmbeddedServerFailed):
        yield embedded.programs()
    in_path = shutil.which("pg_dump")
    if in_path is not None:
        yield Path(in_path).parent
    if _DEBIAN.is_dir():
        yield from sorted(_DEBIAN.glob("*/bin"))


def _major(folder: Path) -> int | None:
    if not all(os.access(folder / name, os.X_OK) for name in _NEEDED):
        return None
    try:
        output = subprocess.run([str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = _VERSION.search(output.stdout)
    return int(match[1]) if match else None


def arguments(url: str) -> tuple[str, dict[str, str]]:
    """A connection URL for the programs, and the environment that goes with it.

    The password is in the environment alone: other users of the machine can read command lines.
    """
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    options = []
    settings = []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SIMWARDEN_")}
    environment.setdefault("PGAPPNAME", "simwarden db")
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key == "password":
            environment["PGPASSWORD"] = value
        elif key in _LIBPQ:
            options.append((key, value))
        else:
            escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
            settings.append(f"-c {key}={escaped}")
    if password:
        environment["PGPASSWORD"] = unquote(password)
    if settings:
        environment["PGOPTIONS"] = " ".join([environment.get("PGOPTIONS", ""), *settings]).strip()
    netloc = f"{name}@{host}" if name else host
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(options), "")), environment
