"""Who may reach the embedded PostgreSQL: one user of the operating system, through a folder that is that user's alone.

As root the server runs as another user, who must be able to work in the data directory and to run the programs wherever
they are. No permission of anybody's folder is changed for that: the server names its folder by `/proc/self/cwd`, which
leads to where it was started whatever lies above; programs that its user cannot reach are copied to where it can.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from simwarden.domain.errors import SimwardenError

SOCKET = ".s.PGSQL.5432"
HERE = "/proc/self/cwd"
COPIES = Path("/var/cache/simwarden")
_LONGEST = 100  # bytes: sun_path holds 107 on Linux, less elsewhere
_MAP = "simwarden"


class EmbeddedServerFailed(SimwardenError):
    """The embedded PostgreSQL could not be started."""


def fits(folder: Path) -> bool:
    """Whether a socket in this folder has a name that is short enough."""
    return len(os.fsencode(folder / SOCKET)) <= _LONGEST


def system_user(name: str) -> pwd.struct_passwd:
    """The user that the server runs as, made when there is none. Only for root. Raises EmbeddedServerFailed.

    No user that is there for something else is taken instead, be it `postgres` or `nobody`: other programs run as them.
    """
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    for program, *options in (["useradd", "--system", "--no-create-home"], ["adduser", "-S", "-D", "-H"]):
        if shutil.which(program):
            subprocess.run([program, *options, name], check=False, capture_output=True)
            with contextlib.suppress(KeyError):  # made just now, by us or by a program beside us
                return pwd.getpwnam(name)
    raise EmbeddedServerFailed(
        f"PostgreSQL refuses to run as root, and a user for it could not be made. Make one (useradd --system {name}), "
        "run Simwarden as another user than root, or set SIMWARDEN_DATABASE_URL."
    )


def write_access(cluster: Path, user: pwd.struct_passwd | None, superuser: str) -> None:
    """Let in whoever runs this program, and the server's own user; nobody else, and nobody without being known.

    Written before every start, so that a cluster from before, which let in everybody who reached its socket, changes.
    """
    names = {pwd.getpwuid(os.geteuid()).pw_name, *([user.pw_name] if user else [])}
    rules = "".join(f"local {what} all peer map={_MAP}\n" for what in ("all", "replication"))
    _replace(cluster / "pg_hba.conf", f"# Written by Simwarden at every start.\n{rules}", user)
    lines = "".join(f'{_MAP} "{name}" {superuser}\n' for name in sorted(names))
    _replace(cluster / "pg_ident.conf", f"# Written by Simwarden at every start.\n{lines}", user)


def _replace(file: Path, text: str, user: pwd.struct_passwd | None) -> None:
    """In one step; a link that stands there under the file's name is replaced, not followed."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(descriptor, "w") as draft:
            draft.write(text)
            if user is not None:
                os.fchown(draft.fileno(), user.pw_uid, user.pw_gid)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def as_seen(directory: Path, user: pwd.struct_passwd | None) -> str:
    """How the server's user names a folder of its own that it is started in. Raises EmbeddedServerFailed."""
    if user is None or _reaches(user, directory):
        return str(directory)
    if not Path(HERE).exists():
        raise EmbeddedServerFailed(
            f"PostgreSQL runs as the user {user.pw_name}, who may not pass through the folders above {directory}. "
            "Choose another place with --data-dir, such as /var/lib/simwarden."
        )
    return HERE


def _reaches(user: pwd.struct_passwd, path: Path) -> bool:
    """Whether a user may pass through all folders above `path`."""
    return all(_allows(user, folder, 1) for folder in path.parents)


def _allows(user: pwd.struct_passwd, path: Path, bits: int) -> bool:
    status = path.stat()
    shift = 6 if status.st_uid == user.pw_uid else 3 if status.st_gid == user.pw_gid else 0
    return (status.st_mode >> shift) & bits == bits


def reachable(programs: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder of the programs, or a copy of them, where the server's user can run them."""
    if user is None or (_reaches(user, programs / "postgres") and _allows(user, programs / "postgres", 5)):
        return programs
    status = (programs / "postgres").stat()
    mark = f"{programs}:{status.st_size}:{status.st_mtime_ns}"
    copy = COPIES / f"postgresql-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
    installed = programs.parent.parent  # <package>/pginstall18/bin; its libraries lie beside the package
    if not copy.exists():
        COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=COPIES, prefix=".new-"))
        for source in (programs.parent, installed.with_name(f"{installed.name}.libs")):
            if source.is_dir():
                target = draft / source.relative_to(installed.parent)
                shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        for folder, _, files in os.walk(draft):
            Path(folder).chmod(0o755)
            for name in files:
                file = Path(folder) / name
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        with contextlib.suppress(OSError):  # a program beside us was first
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    if copy.lstat().st_uid != 0 or not stat.S_ISDIR(copy.lstat().st_mode):
        raise EmbeddedServerFailed(f"{copy} was not made by Simwarden. Remove it.")
    return copy / programs.relative_to(installed.parent)


class SocketFolder:
    """A private folder with a short name, for the socket of a server whose data directory has a long one.

    Made under a name that nobody can know before, and remembered in the data directory.
    """

    def __init__(self, note: Path) -> None:
        self._note = note

    def folder(self, user: pwd.struct_passwd | None, *, create: bool = False) -> Path:
        """The folder; `create`: made if need be. Raises EmbeddedServerFailed."""
        owner = os.geteuid() if user is None else user.pw_uid
        with contextlib.suppress(FileNotFoundError):
            known = Path(self._note.read_text().strip())
            if create:
                with contextlib.suppress(FileExistsError, FileNotFoundError):  # swept away, as temporary folders are
                    known.mkdir(mode=0o700)
                    _give(known, user)
            if _is_private(known, owner):
                return known
            if not create:
                raise EmbeddedServerFailed(f"The folder {known} of the database's socket is not private to its server.")
        if not create:
            raise EmbeddedServerFailed("The embedded PostgreSQL has not been started in this data directory.")
        for place in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - a folder nobody knows the name of
            if fits(place / "simwarden-12345678") and (user is None or _reaches(user, place / "any")):
                made = Path(tempfile.mkdtemp(dir=place, prefix="simwarden-"))
                _give(made, user)
                self._note.write_text(f"{made}\n")
                return made
        raise EmbeddedServerFailed("No folder is short enough for the database's socket. Set TMPDIR to a short one.")

    def forget(self) -> None:
        """The server has stopped: remove the folder, if there is one."""
        with contextlib.suppress(OSError):
            Path(self._note.read_text().strip()).rmdir()
            self._note.unlink()


def _give(folder: Path, user: pwd.struct_passwd | None) -> None:
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _is_private(folder: Path, owner: int) -> bool:
    """Whether it is a real folder of this user's, closed to all others, that nobody else can put another one for."""
    try:
        status, above = folder.lstat(), folder.parent.stat()
    except OSError:
        return False
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077
    swappable = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
    return mine and not swappable
