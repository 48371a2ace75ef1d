"""Backups: one file in pg_dump's custom format, and a restore that happens as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.store import migrate, postgres_programs
from simwarden.store.database import available
from simwarden.store.key_check import PURPOSE as KEY_CHECK
from simwarden.store.vault import WrongKey, signing_key_purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simwarden.store.postgres_programs import Programs
    from simwarden.store.vault import Vault

    Progress = Callable[[int, int | None], None]
    """Bytes so far, and of how many; None: nobody knows."""

_CHUNK = 1 << 20
_POLL = 0.2
_HEAD = 4096
_TIMEOUT_17 = b"SET transaction_timeout = 0;\n"
"""pg_restore from 17 on writes it; servers before 17 refuse it."""
_CREATED = re.compile(r"; Archive created at (.+)")
_FORMAT = re.compile(r"could not find header|does not appear to be a valid archive|unsupported version")
_EMPTY = """
begin;
set local lock_timeout = '10s';
set local client_min_messages = warning;
do $$
declare
    thing record;
begin
    for thing in
        select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    loop
        execute format('drop table if exists %s cascade', thing.name);
    end loop;
    for thing in
        select p.oid::regprocedure as name from pg_proc p
        where p.pronamespace = 'public'::regnamespace
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('drop routine if exists %s cascade', thing.name);
    end loop;
end $$;
"""
RENUMBER = """
update public.subscription
set delivery_count
    = greatest(delivery_count + 1, extract(epoch from now() - timestamptz '2020-01-01T00:00:00Z')::integer)
where ended_at is null;
"""
"""Event ids that were used after the backup (or that a standby never got) are known to the customers' receivers, which
would drop another event of the same id: numbers go on where nobody has been. Seconds, since no subscription has more
events than seconds; every further restore begins higher."""
_AFTER = (
    """
delete from public.lease;
delete from public.lease_worker;
"""
    + RENUMBER
    + "commit;\n"
)


class BackupFailed(SimwardenError):
    """The backup could not be written."""


class RestoreFailed(SimwardenError):
    """The backup could not be restored; the database is as it was."""


class NotEmpty(SimwardenError):
    """The database to restore into holds data."""


class InUse(SimwardenError):
    """The database to restore into is in use."""


class WrongBackupKey(SimwardenError):
    """The master key is not the one that the backup was made under."""


class Content(msgspec.Struct, frozen=True):
    """What a database holds."""

    migration: int
    accounts: int
    sims: int
    gateways: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to lose."""
        return not (self.accounts or self.sims or self.gateways)


class SealedKey(msgspec.Struct, frozen=True):
    """A value that only the right master key opens."""

    purpose: str
    sealed: bytes


class Archive(msgspec.Struct, frozen=True):
    """A backup file, as far as one can tell without restoring it."""

    file: Path
    created: str
    """Time of the backup, in the local time of where it was made."""
    migration: int
    sealed: tuple[SealedKey, ...]

    def check_key(self, vault: Vault | None) -> None:
        """Raises WrongBackupKey unless this is the key that the backup's secrets were sealed with."""
        if not self.sealed:
            return
        if vault is None:
            raise WrongBackupKey(
                "This backup needs the master key that was in force when it was made, and there is none here. Name it "
                "with --key-file, or set SIMWARDEN_SECRET_KEY."
            )
        for one in self.sealed:
            try:
                vault.open(one.sealed, one.purpose)
            except WrongKey:
                raise WrongBackupKey(
                    "The master key here is not the one that this backup was made under: its gateway passwords, sink "
                    "credentials and signing keys could not be read. Name the right one with --key-file."
                ) from None


async def content(url: str) -> Content | None:
    """What the database holds; None for one without Simwarden's tables. Changes nothing.

    Raises NotEmpty when there are other tables than Simwarden's, StoreUnavailable.
    """
    with available():
        connection = await asyncpg.connect(url)
        try:
            if not await connection.fetchval("select to_regclass('public.schema_migration') is not null"):
                if await connection.fetchval("select exists (select from pg_tables where schemaname = 'public')"):
                    raise NotEmpty("The database holds tables that are not Simwarden's: name another database.")
                return None
            row = await connection.fetchrow(
                "select coalesce((select max(version) from schema_migration), 0) as migration,"
                " (select count(*) from account where id <> 'operator') as accounts,"
                " (select count(*) from sim) as sims,"
                " (select count(*) from gateway) as gateways"
            )
            return Content(**dict(row))
        except asyncpg.UndefinedTableError:
            raise NotEmpty("The tables in the database are not whole Simwarden ones: name another database.") from None
        finally:
            await connection.close()


async def refuse_in_use(url: str) -> None:
    """Raises InUse when anybody else is connected to the database."""
    with available():
        connection = await asyncpg.connect(url)
        try:
            others = await connection.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
        finally:
            await connection.close()
    if others:
        raise InUse(f"{others} other connections use this database: stop every Simwarden that works on it first.")


async def programs_for(url: str) -> tuple[Programs, int]:
    """Client programs that fit the server, and the server's major version. Raises NoPrograms, StoreUnavailable."""
    with available():
        connection = await asyncpg.connect(url)
        try:
            major: int = connection.get_server_version().major
        finally:
            await connection.close()
    return postgres_programs.find(major), major


def newest_programs() -> Programs:
    """The newest client programs on this machine, to look into a file before any server is asked. Raises NoPrograms."""
    return postgres_programs.find(0)


async def analyze(url: str) -> None:
    """Count what the planner must know: a restored database comes without its statistics."""
    with available():
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("analyze")
        finally:
            await connection.close()


def write(programs: Programs, url: str, file: Path, progress: Progress) -> int:
    """Back up the database at `url` into `file` while it works, as of one moment; returns the size in bytes.

    The file appears when it is whole and on disk, for its owner alone (mode 0600). Raises BackupFailed.
    """
    dsn, environment = postgres_programs.arguments(url)
    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        command = [programs.path("pg_dump"), "--format=custom", "--compress=1", "--no-owner", "--no-privileges"]
        # tables of the schema alone: extensions and other people's schemas are not ours to carry
        command += ["--schema=public", "--no-password", f"--file={draft}", f"--dbname={dsn}"]
        with tempfile.TemporaryFile("w+") as errors, _running(command, environment, stderr=errors) as dump:
            while _still(dump):
                progress(draft.stat().st_size, None)
            if dump.returncode != 0:
                raise BackupFailed(f"pg_dump failed: {_tail(errors)}")
        read(programs, draft)
        with draft.open("rb") as whole:
            os.fsync(whole.fileno())
        size = draft.stat().st_size
        draft.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        raise BackupFailed(f"{error.filename or file} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return size


def read(programs: Programs, file: Path) -> Archive:
    """Look into a backup. Raises RestoreFailed when it is not one that this program can restore."""
    listing = _pg_restore(programs, file, "--list")
    created = _CREATED.search(listing)
    versions = _copied(_pg_restore(programs, file, "--data-only", "--table=schema_migration", "--file=-"))
    if not versions:
        raise RestoreFailed(f"{file} holds no Simwarden database.")
    keys = _copied(_pg_restore(programs, file, "--data-only", "--table=signing_key", "--file=-"))
    checks = _copied(_pg_restore(programs, file, "--data-only", "--table=key_check", "--file=-"))
    return Archive(
        file=file,
        created=created[1].strip() if created else "?",
        migration=max(int(row["version"]) for row in versions),
        sealed=(
            *(SealedKey(KEY_CHECK, _bytes(row["sealed"])) for row in checks),
            *(SealedKey(signing_key_purpose(row["kid"]), _bytes(row["private_key"])) for row in keys),
        ),
    )


def restore(
    programs: Programs,
    server_major: int,
    url: str,
    archive: Archive,
    progress: Progress,
    before_commit: Callable[[], None] = lambda: None,
) -> None:
    """Put the backup in the place of everything in the database at `url`, in one transaction.

    `before_commit` is called when all is there, and may still raise. Whatever ends it before (Ctrl-C, kill -9, a full
    disk) leaves the database as it was. Raises RestoreFailed.
    """
    dsn, environment = postgres_programs.arguments(url)
    total = archive.file.stat().st_size
    psql = [programs.path("psql"), "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]
    pg_restore = [programs.path("pg_restore"), "--no-owner", "--no-privileges", "--schema=public", "--file=-"]
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(archive.file.open("rb"))
        said_restore, said_psql = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2))
        taker = stack.enter_context(
            _running(
                [*psql, f"--dbname={dsn}"],
                environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said_psql,
            )
        )
        giver = stack.enter_context(
            _running(pg_restore, environment, stdin=source, stdout=subprocess.PIPE, stderr=said_restore)
        )
        assert giver.stdout is not None
        assert taker.stdin is not None
        try:
            taker.stdin.write(_EMPTY.encode())
            head = giver.stdout.read(_HEAD)
            taker.stdin.write(head.replace(_TIMEOUT_17, b"") if server_major < 17 else head)
            while chunk := giver.stdout.read(_CHUNK):
                taker.stdin.write(chunk)
                progress(min(os.lseek(source.fileno(), 0, os.SEEK_CUR), total), total)
            if giver.wait() != 0:
                raise RestoreFailed(f"pg_restore failed, the database is as it was: {_tail(said_restore)}")
            before_commit()
            # Only now: without this line the end of input is the end of a transaction that never was.
            taker.stdin.write(_AFTER.encode())
            taker.stdin.close()
        except BrokenPipeError:
            taker.wait()
        while _still(taker):
            progress(total, total)
        if taker.returncode != 0:
            raise RestoreFailed(f"The restore failed, the database is as it was: {_tail(said_psql)}")


def refuse_newer(archive: Archive) -> None:
    """Raises DatabaseTooNew when the backup was made by a newer Simwarden."""
    target = migrate.known()[-1].version
    if archive.migration > target:
        raise migrate.DatabaseTooNew(
            f"The backup is at migration {archive.migration}, this program knows {target}: use a newer Simwarden."
        )


def _pg_restore(programs: Programs, file: Path, *arguments: str) -> str:
    done = subprocess.run(
        [programs.path("pg_restore"), *arguments, str(file)], capture_output=True, text=True, check=False, env=_plain()
    )
    if done.returncode != 0:
        if _FORMAT.search(done.stderr):
            raise RestoreFailed(f"{file} is no whole backup of `simwarden db backup`: {done.stderr.strip()[-300:]}")
        raise RestoreFailed(f"{file} cannot be read: {done.stderr.strip()[-300:]}")
    return done.stdout


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\\\x"))


def _copied(script: str) -> list[dict[str, str]]:
    """The rows of the one COPY in a script, by column. Values are as PostgreSQL's text format has them."""
    match = re.search(r"^COPY \S+ \(([^)]*)\) FROM stdin;\n(.*?)^\\\.$", script, re.MULTILINE | re.DOTALL)
    if match is None:
        return []
    names = [name.strip(' "') for name in match[1].split(",")]
    return [dict(zip(names, line.split("\t"), strict=True)) for line in match[2].splitlines()]


@contextlib.contextmanager
def _running(command: list[str], environment: Mapping[str, str], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program that does not outlive its block. In a session of its own: Ctrl-C is for us, we stop it in order."""
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command, env=dict(environment), start_new_session=True, **streams
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _still(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return True
    return False


def _plain() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("SIMWARDEN_")}


def _tail(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read().strip()[-1000:]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
