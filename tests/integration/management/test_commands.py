"""`simwarden sim close|bulk ...`, `operation`, `operator`: real commands against a real server."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import pty
import select
import signal
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.cli import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


IMSIS = [f"46000099012{number:04}" for number in range(40)]


class Shell:
    """Runs commands with the settings of one server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    async def __call__(self, *arguments: str, **options: Any) -> Result:
        runner = CliRunner(env=self.environment)
        return await asyncio.to_thread(runner.invoke, main, list(arguments), **options)

    async def told(self, *arguments: str) -> Any:
        result = await self(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
async def shell(database_url: str, tmp_path: Path) -> AsyncIterator[Shell]:
    async with serving(tmp_path, database_url) as url:
        shell = Shell(
            {
                "SIMWARDEN_DATABASE_URL": database_url,
                "SIMWARDEN_DATA_DIR": str(tmp_path / "data"),
                "SIMWARDEN_HOST": "127.0.0.1",
                "SIMWARDEN_PORT": str(urlsplit(url).port),
                "COLUMNS": "200",
            }
        )
        await shell.told("account", "create", "ACME")
        file = tmp_path / "sims.csv"
        file.write_text("imsi\n" + "\n".join(IMSIS) + "\n")
        await shell.told("sim", "import", "--account", "ACME", str(file))
        yield shell


async def test_one_sim_is_closed_suspended_and_restored(shell: Shell, tmp_path: Path) -> None:
    closed = await shell.told("sim", "close", IMSIS[0], "--function", "data")
    assert (closed["changed"], closed["sim"]["off"]) == (True, ["DATA"])
    key = tmp_path / "data" / "operator.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (await shell.told("sim", "close", IMSIS[0], "--function", "data"))["changed"] is False
    assert (await shell.told("sim", "suspend", IMSIS[0]))["sim"]["off"] == ["VOICE", "SMS", "DATA"]
    assert (await shell.told("sim", "restore", IMSIS[0]))["sim"]["off"] == ["DATA"]
    assert (await shell.told("sim", "open", IMSIS[0]))["sim"]["off"] == []
    refused = await shell("sim", "restore", IMSIS[0])
    assert refused.exit_code == 1
    assert "is ACTIVE" in refused.output
    assert "must be SUSPENDED" in refused.output
    for verb in ("deactivate", "delete"):
        assert (await shell.told("sim", verb, IMSIS[1]))["changed"] is True
    gone = await shell("sim", "suspend", IMSIS[1])
    assert "No SIM has" in gone.output
    explained = await shell.told("sim", "explain", IMSIS[0], "--all")
    assert [step["type"] for step in explained["history"]].count("LIFECYCLE_CHANGED") == 2
    assert len(await shell.told("operator", "list")) == 1, "the key is made once"


async def test_many_are_previewed_asked_for_done_and_told(shell: Shell, tmp_path: Path) -> None:
    await shell.told("sim", "close", IMSIS[0], "--function", "data")
    arguments = ("sim", "bulk", "close", "--function", "data", "--filter", "lifecycle=ACTIVE")
    unwilling = await shell(*arguments, input="n\n")
    assert unwilling.exit_code == 0
    assert "39 of 40 SIMs would change, 1 are so already, 0 cannot" in unwilling.output
    assert "Nothing was changed" in unwilling.output
    file = tmp_path / "result.csv"
    willing = await shell(*arguments, "--result", str(file), input="y\n")
    assert willing.exit_code == 0, willing.output
    assert "39 done, 1 unchanged, 0 refused" in willing.output
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert {row["imsi"]: row["status"] for row in rows} == {
        each: "UNCHANGED" if each == IMSIS[0] else "DONE" for each in IMSIS
    }
    nothing = await shell(*arguments)
    assert "0 of 40 SIMs would change" in nothing.output


async def test_what_was_left_at_the_question_is_confirmed_later(shell: Shell, tmp_path: Path) -> None:
    left = await shell("sim", "bulk", "suspend", "--all", input="")
    assert left.exit_code == 130
    assert "Nothing was changed" in left.output
    [found] = await shell.told("operation", "list")
    assert found["state"] == "READY"
    assert f"simwarden operation confirm {found['id']}" in left.output
    file = tmp_path / "result.csv"
    done = await shell("operation", "confirm", found["id"], "--result", str(file), input="y\n")
    assert done.exit_code == 0, done.output
    assert "40 of 40 SIMs would change" in done.output
    assert "40 done, 0 unchanged, 0 refused" in done.output
    assert len(file.read_text().splitlines()) == 41
    again = await shell("operation", "confirm", found["id"], "--yes")
    assert "is COMPLETED; to be confirmed, it must be READY" in again.output
    explained = await shell("sim", "explain", IMSIS[0], "--all")
    assert [line.split()[3] for line in explained.output.split("States\n")[1].splitlines()[:2]] == [
        *("ACTIVE", "SUSPENDED"),
    ]


async def test_one_ctrl_c_at_the_question_is_enough(shell: Shell) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [sys.executable, "-m", "simwarden", "sim", "bulk", "suspend", "--all"]
        os.execve(sys.executable, arguments, os.environ | shell.environment)
    shown = await asyncio.to_thread(_read_until, terminal, b"[y/N]")
    # The prompt is drawn before readline waits; a signal in between waits for the next key.
    await asyncio.to_thread(_wait_until_asleep, pid)
    os.write(terminal, b"\x03")
    shown += await asyncio.to_thread(_read_until, terminal, b"operation cancel")
    if b"operation cancel" not in shown:
        os.kill(pid, signal.SIGKILL)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"Nothing was changed" in shown
    [found] = await shell.told("operation", "list")
    assert (found["state"], found["counts"]["done"]) == ("READY", 0)


def _wait_until_asleep(pid: int) -> None:
    """Wait until a process has slept without using the processor for half a second."""
    quiet, used = 0, ""
    end = time.monotonic() + PATIENCE
    while quiet < 10 and time.monotonic() < end:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = f"{fields[11]} {fields[12]}"  # utime and stime (proc_pid_stat(5))
        quiet = quiet + 1 if (fields[0], now) == ("S", used) else 0
        used = now
        time.sleep(0.05)


def _read_until(terminal: int, text: bytes) -> bytes:
    """What the terminal shows until this text; what it has shown when our patience is over."""
    shown, end = b"", time.monotonic() + PATIENCE
    while text not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 65_536)
    return shown


async def test_long_work_says_how_far_it_is_where_there_is_no_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simwarden.cli.bulk.SAY_EVERY", 0.0)
    done = await shell("sim", "bulk", "suspend", "--all", "--yes")
    assert "40 of 40 done" in done.output
    assert "looked at" in done.output


async def test_a_file_that_cannot_be_written_leaves_the_result_at_the_server(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".result.csv.part").mkdir()
    done = await shell("sim", "bulk", "suspend", "--all", "--yes", "--result", str(folder / "result.csv"))
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    [found] = await shell.told("operation", "list")
    assert found["state"] == "COMPLETED"
    assert f"simwarden operation show {found['id']}" in done.output


async def test_a_list_with_mistakes_does_the_others(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"imsi\n{IMSIS[0]}\n460001111111111\nx\n{IMSIS[1]}\n")
    done = await shell("sim", "bulk", "suspend", "--csv", str(file), "--yes", "--json")
    assert done.exit_code == 1, "something was refused"
    found = json.loads(done.stdout)
    assert found["counts"] == {"total": 4, "requested": 0, "done": 2, "unchanged": 0, "refused": 2}
    [listed] = await shell.told("operation", "list")
    assert listed["id"] == found["id"]
    result = tmp_path / "result.csv"
    await shell.told("operation", "result", found["id"], str(result))
    rows = sorted(csv.DictReader(result.read_text().splitlines()), key=lambda row: int(row["line"]))
    assert [(row["line"], row["status"]) for row in rows] == [
        *(("2", "DONE"), ("3", "REFUSED"), ("4", "REFUSED"), ("5", "DONE")),
    ]
    late = await shell("operation", "cancel", found["id"])
    assert "COMPLETED and cannot be cancelled" in late.output


MISTAKES: list[tuple[list[str], str]] = [
    (["sim", "bulk", "close", "--function", "data"], "Say which SIMs"),
    (["sim", "bulk", "close", "--all"], "Say what to close"),
    (["sim", "bulk", "suspend", "--filter", "colour=red"], "is not NAME=VALUE"),
    (["sim", "bulk", "suspend", "--filter", "account=nobody", "--yes"], "No account has"),
    (["sim", "bulk", "suspend", "--filter", "state=wild", "--yes"], "state can be NEUTRAL, ARMED, LOCKED, DIFFERED"),
    (["sim", "bulk", "suspend", "--all", "--yes", "--result", "/no/such/folder/x.csv"], "there is no folder"),
    (["operation", "confirm", "nothing", "--yes"], "No operation has this id"),
    (["sim", "bulk", "suspend", "--all", "--json"], "needs --yes"),
    (["sim", "bulk", "suspend", "--all", "--imei", "353689530707903", "--yes"], "imei does not go with suspend"),
    (["operation", "show", "nothing"], "No operation has this id"),
    (
        ["sim", "suspend", IMSIS[0], "--server", "http://127.0.0.1:9"],
        "The server at http://127.0.0.1:9 does not answer",
    ),
]


async def test_mistakes_are_answered_in_a_sentence(shell: Shell) -> None:
    await shell.told("operation", "list")
    for arguments, says in MISTAKES:
        result = await shell(*arguments)
        assert result.exit_code != 0, arguments
        assert says in result.output, arguments
        assert "Traceback" not in result.output, arguments
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments


async def test_operators_keys(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "eyes.key"
    made = await shell.told("operator", "create", "eyes", "--read-only", "--write-key", str(file))
    assert "appSecret" not in made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    eyes = ("--key-file", str(file))
    assert await shell.told("operation", "list", *eyes) == []
    refused = await shell("sim", "suspend", IMSIS[0], *eyes)
    assert "permissions" in refused.output
    shown = await shell("operator", "create", "other")
    assert "sws_" in shown.output
    assert "sws_" not in (await shell("operator", "list", "--json")).output
    assert await shell.told("account", "list") == await shell.told("account", "list")
    assert [account["name"] for account in await shell.told("account", "list")] == ["ACME"]
    await shell.told("operator", "revoke", made["appKey"])
    async with asyncio.timeout(PATIENCE):
        while "does not know this operator's key" not in (await shell("operation", "list", *eyes)).output:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
