"""`simwarden simulate` as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.support.patience import PATIENCE

from .conftest import Receiver

PROGRAM = "from simwarden.cli.simulate import simulate; simulate()"


@asynccontextmanager
async def simulate(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    text = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
    assert text, await process.communicate()
    return json.loads(text)


async def output(*options: str) -> tuple[int | None, str]:
    async with simulate(*options) as process:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        return process.returncode, (out + err).decode()


async def test_gateways_say_ready_take_commands_and_end_on_sigterm(
    receiver: Receiver, client: aiohttp.ClientSession
) -> None:
    options = ["--json", "--gateways", "2", "--ports", "2", "--slots", "1", "--report-url", receiver.url]
    async with simulate(*options, "--password", "not-the-factory-one") as process:
        ready = await line(process)
        assert ready["ready"] is True
        assert [gateway["name"] for gateway in ready["gateways"]] == ["gw1", "gw2"]
        gateway = ready["gateways"][0]
        query = {"username": gateway["username"], "password": gateway["password"]}
        command = {"type": "command", "op": "lock", "ports": "1"}
        url = gateway["command_url"] + "/goip_send_cmd.html"
        async with client.post(url, params=query, json=command) as answer:
            assert await answer.json() == {"code": 0, "reason": "OK"}
        told = await line(process)
        assert (told["event"], told["op"], told["slots"]) == ("command", "lock", ["1.01"])
        await receiver.wait_for(lambda _name, body: body.get("st") == 12)
        async with client.get(ready["control"] + "/gateways/gw1/commands") as answer:
            assert (await answer.json())["commands"][0]["effect_ns"] > 0
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        assert json.loads(out)["event"] == "stopped"
        assert err == b""
        assert b"not-the-factory-one" not in out


async def test_a_run_ends_by_itself_after_its_duration() -> None:
    code, text = await output("--duration", "0.1", "--gateways", "1")
    assert code == 0
    assert "Control server at http://127.0.0.1:" in text
    assert "Stopped" in text


async def test_a_load_is_told_in_numbers(receiver: Receiver) -> None:
    options = ["--gateways", "2", "--ports", "4", "--slots", "1", "--rate", "400", "--changed", "0.5"]
    code, text = await output("--json", "--duration", "1.5", "--report-url", receiver.url, *options)
    assert code == 0
    loads = [entry for entry in map(json.loads, text.splitlines()) if entry.get("event") == "load"]
    assert sum(entry["answered"] for entry in loads) == len(receiver.reports) > 50


async def test_a_scenario_is_played(receiver: Receiver, tmp_path: Path) -> None:
    story = tmp_path / "story.toml"
    story.write_text('title = "t"\n[[steps]]\nat = 0.1\naction = "reboot"\ngateway = "gw1"\n')
    async with simulate("--json", "--gateways", "1", "--scenario", str(story)) as process:
        await line(process)
        told = [(await line(process))["event"] for _ in range(2)]
        assert told == ["step", "scenario-ended"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--scenario", "nothing"], "there is no scenario 'nothing'"),
        (["--report-url", "http://127.0.0.1:1/x"], "4 gateways need 4 report URLs"),
        (["--rate", "1", "--fill", "0"], "a load needs cards"),
        (["--host", "192.0.2.1", "--duration", "1"], "assign requested address"),
        (["sink", "--secret", "whsec_!"], "the secret must be base64"),
    ],
)
async def test_errors_are_sentences(options: list[str], says: str) -> None:
    code, text = await output(*options)
    assert code == 1
    assert says in text
    assert "Traceback" not in text


async def test_the_sink_says_ready_and_tells_deliveries(client: aiohttp.ClientSession) -> None:
    async with simulate("sink", "--json") as process:
        ready = await line(process)
        async with client.post(ready["sink"], json={"id": "7"}) as answer:
            assert answer.status == 400
        told = await line(process)
        assert (told["event"], told["id"], told["status"], told["problem"]) == (
            "delivery",
            "7",
            400,
            "Type must be specified",
        )
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0


async def test_help_has_examples_and_scenarios_can_be_listed() -> None:
    text = (await output("--help"))[1]
    assert "--imsi-base" in text
    assert "sink" in text
    assert "Examples:" in (await output("gateways", "--help"))[1]
    assert "sim-moved" in (await output("--scenario", "list"))[1]


async def test_importing_the_command_does_not_import_the_server() -> None:
    program = "import sys, simwarden.cli.simulate; sys.exit('aiohttp' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
