"""docs/onboarding.md, typed: the five commands, the customer's first calls, a sink that checks signatures."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp
from standardwebhooks.webhooks import Webhook
from tests.conftest import REPOSITORY
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.database import Database

PAGE = (REPOSITORY / "docs" / "onboarding.md").read_text(encoding="utf-8")
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def blocks(kind: str) -> list[str]:
    """The page's texts of one kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


async def run(environment: dict[str, str], *arguments: str) -> str:
    """What a program prints; it must succeed."""
    path = {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*arguments, env={**path, **environment}, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, (arguments, out, err)
    return out.decode()


async def test_the_page_is_true(database: Database, tmp_path: Path) -> None:
    commands = blocks("sh")[0]
    assert len(commands.splitlines()) == 5
    async with serving(tmp_path, database.url) as url:
        operator = {"SIMWARDEN_DATA_DIR": str(tmp_path / "data"), "SIMWARDEN_PORT": url.rpartition(":")[2]}
        shown = await run({**operator, "HOME": str(tmp_path)}, "bash", "-ec", commands)
        found = {name: re.search(rf"{name}\s+(\S+)", shown) for name in ("APPKEY", "APPSECRET")}
        customer = {"SERVER": url, **{name: match[1] for name, match in found.items() if match}}
        answer = await run(customer, "bash", "-ec", blocks("bash")[0])
        assert answer.startswith("HTTP/1.1 200")
        assert 'ratelimit-policy: "application";q=200;w=2, "application-monthly";q=5000000;w=' in answer.lower()
        assert json.loads(answer.split("\r\n\r\n")[1]) == ast.literal_eval(
            await run(customer, "python", "-c", blocks("python")[0])
        )


async def test_the_sink_takes_what_is_signed_and_nothing_else() -> None:
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": SECRET}
    sink = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", blocks("python")[1]),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    body, at = json.dumps({"type": "org.simwarden.v1.subscription-test"}), datetime.now(UTC)
    signature = Webhook(SECRET).sign("id-1", at, body)
    headers = {"webhook-id": "id-1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(PATIENCE):
            while True:
                try:
                    async with session.post(f"http://127.0.0.1:{port}/", data=body, headers=headers) as answer:
                        assert answer.status == 204
                        break
                except aiohttp.ClientConnectorError:  # it is not listening yet
                    await asyncio.sleep(0.05)
            async with session.post(f"http://127.0.0.1:{port}/", data=f"{body} ", headers=headers) as answer:
                assert answer.status == 401
        assert sink.stdout is not None
        assert await sink.stdout.readline() == b"org.simwarden.v1.subscription-test\n"
    finally:
        sink.kill()
        await sink.wait()
