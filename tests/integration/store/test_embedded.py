"""The embedded PostgreSQL: shared, stopped by the last one out, and back after any death."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from tests.support.patience import PATIENCE

from simwarden.store import embedded, private
from simwarden.store.embedded import DataDirectoryInUse, EmbeddedPostgres, EmbeddedServerFailed, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOLDER = """
import sys
from pathlib import Path
from simwarden.store.embedded import DataDirectoryInUse, EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
try:
    print("up", server.acquire(serve="serve" in sys.argv), flush=True)
except DataDirectoryInUse as error:
    print("refused", error.message, flush=True)
    sys.exit(3)
sys.stdin.readline()
server.release()
print("down", flush=True)
"""


class Program:
    """Another process that holds the data directory."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def let_go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self.says() == "down"
        self._process.wait(20)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(20)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data directory for all tests here: making one takes a second."""
    path = tmp_path_factory.mktemp("embedded")
    yield path
    server = EmbeddedPostgres(path)
    server.acquire()
    server.release()


@pytest.fixture
def program(data_dir: Path) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(*flags: str) -> Program:
        programs.append(Program(data_dir, *flags))
        return programs[-1]

    yield start
    for made in programs:
        made.close()


def alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, and not buried where process 1 does not care


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def query(url: str, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(ask())


def test_it_starts_answers_and_stops(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    url = server.acquire()
    assert query(url, "select current_database()") == "simwarden"
    assert int(str(query(url, "show server_version_num"))) >= 150000
    pid = server.process_id()
    assert alive(pid)
    server.release()
    wait_until(lambda: not alive(pid))
    server.release()  # again is harmless


def test_the_last_one_out_stops_it(data_dir: Path, program: Callable[..., Program]) -> None:
    first, second = program(), program()
    up, also = first.says(), second.says()
    assert up.startswith("up ")
    assert up == also
    pid = EmbeddedPostgres(data_dir).process_id()
    first.let_go()
    assert alive(pid)
    second.let_go()
    wait_until(lambda: not alive(pid))


def test_only_one_program_serves_and_commands_may_join(data_dir: Path, program: Callable[..., Program]) -> None:
    server = program("serve")
    assert server.says().startswith("up ")
    second = program("serve")
    refusal = second.says()
    assert refusal.startswith("refused Another Simwarden server")
    assert f"(process {server.pid})" in refusal
    assert str(data_dir) in refusal
    assert "--data-dir" in refusal
    command = program()
    assert command.says().startswith("up ")
    command.let_go()
    assert alive(EmbeddedPostgres(data_dir).process_id())
    server.let_go()
    again = program("serve")
    assert again.says().startswith("up "), "a later one is not refused"
    again.let_go()


def test_after_kill_9_of_its_program_the_next_start_goes_on(data_dir: Path, program: Callable[..., Program]) -> None:
    victim = program("serve")
    url = victim.says().removeprefix("up ")
    query(url, "create table if not exists kept as select 42 as answer")
    victim.kill()
    heir = program("serve")
    assert heir.says() == f"up {url}"
    assert query(url, "select answer from kept") == 42
    heir.let_go()
    wait_until(lambda: not alive(EmbeddedPostgres(data_dir).process_id()))


def test_after_kill_9_of_the_postmaster_it_is_started_again(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    url = server.acquire()
    try:
        assert not server.ensure_running(), "it runs"
        query(url, "create table if not exists kept as select 42 as answer")
        pid = server.process_id()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid))
        assert server.ensure_running()
        assert server.process_id() != pid
        assert query(url, "select answer from kept") == 42
    finally:
        server.release()


def test_after_kill_9_of_everything_at_once_the_data_is_there(data_dir: Path, program: Callable[..., Program]) -> None:
    victim = program()
    url = victim.says().removeprefix("up ")
    query(url, "create table if not exists kept as select 42 as answer")
    pid = EmbeddedPostgres(data_dir).process_id()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    victim.kill()
    wait_until(lambda: not alive(pid))  # on a busy machine the signal takes its time
    server = EmbeddedPostgres(data_dir)
    assert server.acquire() == url
    assert query(url, "select answer from kept") == 42
    server.release()


@pytest.mark.parametrize("start", [EmbeddedPostgres.ensure_running, EmbeddedPostgres.revive])
def test_a_pid_file_that_names_another_process_is_not_believed(
    data_dir: Path, start: Callable[[EmbeddedPostgres], bool]
) -> None:
    """After a restart of a container the number in the file is often somebody else's."""
    server = EmbeddedPostgres(data_dir)
    url = server.acquire()
    pid_file = server.cluster / "postmaster.pid"
    pid = server.process_id()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    owner = pid_file.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "60"], **as_owner)  # type: ignore[call-overload]
    try:
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert start(server)
        assert query(url, "select 1") == 1
        assert stranger.poll() is None, "and it is left in peace"
    finally:
        stranger.kill()
        stranger.wait()
        server.release()


FORK = """
import os, signal, sys
from pathlib import Path
from simwarden.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
with server._gate():
    child = os.fork()
    if child == 0:
        signal.pause()
try:
    with EmbeddedPostgres(Path(sys.argv[1]))._gate():
        print("through", flush=True)
finally:
    os.kill(child, signal.SIGKILL)
"""


def test_a_process_forked_while_the_server_is_started_does_not_stop_the_next_start(tmp_path: Path) -> None:
    forked = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert forked.stdout == "through\n", forked.stderr


def test_a_first_start_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    """initdb writes PG_VERSION long before it is done."""
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path)
    url = server.acquire()
    try:
        assert query(url, "select current_database()") == "simwarden"
    finally:
        server.release()
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.is_dir()) == ["postgres"]


def test_the_cluster_appears_under_its_name_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(tmp_path)

    def killed(_directory: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(server, "_create_database", killed)
        with pytest.raises(KeyboardInterrupt):
            server.acquire()
    assert not (tmp_path / "postgres").exists()
    again = EmbeddedPostgres(tmp_path)
    assert query(again.acquire(), "select current_database()") == "simwarden"
    again.release()


def test_a_start_that_fails_lets_go_of_the_directory_and_quotes_the_log(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data_dir)
    monkeypatch.setattr(server, "_settings", lambda: {"shared_buffers": "a lot"})
    with pytest.raises(EmbeddedServerFailed, match="shared_buffers"):
        server.acquire(serve=True)
    other = EmbeddedPostgres(data_dir)
    try:
        assert other.acquire(serve=True)
    except DataDirectoryInUse:
        pytest.fail("the directory is still claimed")
    finally:
        other.release()


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A data directory whose name is too long for a socket."""
    server = EmbeddedPostgres(tmp_path / ("d" * 60) / ("e" * 60))
    yield server
    server.release()


def socket_folder(url: str) -> Path:
    return Path(url.partition("?host=")[2])


def test_a_deep_data_directory_gets_a_private_short_socket_that_goes_with_the_server(deep: EmbeddedPostgres) -> None:
    url = deep.acquire()
    assert query(url, "select 1") == 1
    folder = socket_folder(url)
    assert folder != deep.cluster
    assert len(url) < 110
    status = folder.lstat()
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid == deep.cluster.stat().st_uid
    assert EmbeddedPostgres(deep.data_dir).url() == url, "for everybody the same"
    deep.release()
    assert not folder.exists()
    again = deep.acquire()
    assert socket_folder(again) != folder, "nobody can make it before us"


def test_a_socket_folder_that_was_swept_away_is_made_again(deep: EmbeddedPostgres) -> None:
    url = deep.acquire()
    pid = deep.process_id()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    shutil.rmtree(socket_folder(url))
    assert deep.ensure_running()
    assert query(url, "select 1") == 1, "where the workers look for it"


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_socket_folder_of_somebody_elses_making_is_not_used(
    deep: EmbeddedPostgres, tmp_path: Path, trap: str
) -> None:
    url = deep.acquire()
    folder = socket_folder(url)
    deep.release()
    (deep.data_dir / "socket-folder").write_text(f"{folder}\n")
    (tmp_path / "elsewhere").mkdir()
    if trap == "link":
        folder.symlink_to(tmp_path / "elsewhere")
    elif trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.write_text("")
    try:
        with pytest.raises(EmbeddedServerFailed, match="not private"):
            deep.url()
        again = deep.acquire()
        assert socket_folder(again) != folder
        assert query(again, "select 1") == 1
    finally:
        folder.rmdir() if trap == "open" else folder.unlink()


def test_a_cluster_from_before_that_trusted_everybody_asks_who_it_is(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.acquire()
    server.release()
    (server.cluster / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    url = server.acquire()
    try:
        rules = query(url, "select string_agg(distinct type || ' ' || auth_method, ',') from pg_hba_file_rules")
        assert rules == "local peer"
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            query(url.replace("postgres@", "somebody@"), "select 1")
    finally:
        server.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_who_reaches_the_socket_is_not_let_in(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    url = server.acquire()
    opened = [directory for directory in (server.cluster, *server.cluster.parents) if directory.stat().st_mode & 1 == 0]
    modes = {directory: directory.stat().st_mode for directory in opened}
    try:
        for directory in opened:
            directory.chmod(modes[directory] | 0o011)
        (server.cluster / ".s.PGSQL.5432").chmod(0o777)
        command = [str(programs() / "psql"), "-h", str(server.cluster), "-U", "postgres", "-c", "select 1", "simwarden"]
        refused = subprocess.run(
            command, capture_output=True, text=True, user="nobody", group="nogroup", extra_groups=[]
        )
        assert "Peer authentication failed" in refused.stderr
        assert query(url, "select 1") == 1
    finally:
        for directory, mode in modes.items():
            directory.chmod(mode)
        server.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its folders to somebody else to use")
def test_root_changes_nobodys_permissions_and_needs_no_open_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {directory: directory.stat().st_mode for directory in (closed, *closed.parents)}
    server = EmbeddedPostgres(closed / "data")
    url = server.acquire()
    try:
        assert query(url, "select 1") == 1
        pid = server.process_id()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid))
        assert server.ensure_running()
        assert query(url, "select 1") == 1
        assert not EmbeddedPostgres(closed / "data").revive()
    finally:
        server.release()
    assert {directory: directory.stat().st_mode for directory in before} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
def test_programs_that_the_servers_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = programs().parent.parent
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(installed / "pginstall18", hidden / installed.name / "pginstall18", symlinks=True)
    shutil.copytree(installed.with_name(f"{installed.name}.libs"), hidden / f"{installed.name}.libs")
    monkeypatch.setattr(embedded, "programs", lambda: hidden / installed.name / "pginstall18" / "bin")
    with tempfile.TemporaryDirectory(prefix="simwarden-copies-") as copies:
        Path(copies).chmod(0o755)
        monkeypatch.setattr(private, "COPIES", Path(copies))
        server = EmbeddedPostgres(tmp_path / "data")
        try:
            assert query(server.acquire(), "select 1") == 1
            assert Path(f"/proc/{server.process_id()}/exe").readlink().is_relative_to(copies)
        finally:
            server.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_root_takes_no_user_that_is_there_for_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(shutil, "which", lambda _program: None)
    with pytest.raises(EmbeddedServerFailed, match="useradd --system simwarden"):
        private.system_user("simwarden")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
def test_root_runs_it_as_somebody_else(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.acquire()
    try:
        assert server.cluster.stat().st_uid != 0
        assert Path(f"/proc/{server.process_id()}").stat().st_uid == server.cluster.stat().st_uid
    finally:
        server.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_who_is_not_root_runs_it_as_themselves(tmp_path: Path) -> None:
    somebody = pwd.getpwnam("nobody")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, somebody.pw_uid, somebody.pw_gid)
    for directory in home.parents:
        if directory.stat().st_uid == 0:
            directory.chmod(directory.stat().st_mode | 0o011)
    try:
        process = subprocess.run(
            [sys.executable, "-c", HOLDER, str(home / "data")],
            input="\n",
            text=True,
            capture_output=True,
            user=somebody.pw_uid,
            group=somebody.pw_gid,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
            timeout=60,
        )
    except PermissionError:
        pytest.skip("others may not run this interpreter")
    if "PermissionError" in process.stderr or "ModuleNotFoundError" in process.stderr:
        pytest.skip("others may not read this checkout")
    assert process.stdout.splitlines()[-1] == "down", process.stderr[-500:]
    assert (home / "data" / "postgres").stat().st_uid == somebody.pw_uid
