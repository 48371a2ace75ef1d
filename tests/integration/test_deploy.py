"""What `deploy/` holds for Prometheus and Grafana names metrics that a real server has, and is valid."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from tests.support.patience import PATIENCE
from tests.support.server import serving

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simwarden.store.database import Database

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
RULES = DEPLOY / "prometheus" / "simwarden.rules.yml"
BOARD = DEPLOY / "grafana" / "simwarden.json"
_NAME = re.compile(r"\bsimwarden_[a-z_]+")


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """Where it stands, and the expression."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def names_on(page: str) -> set[str]:
    """Every name of a sample that the families of this page can have."""
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE):
        found |= {f"{name}{end}" for end in ("_bucket", "_count", "_sum")} if kind == "histogram" else {name}
    return found


async def counted(session: aiohttp.ClientSession, url: str) -> str:
    """The page of metrics, once the installation has been counted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with session.get(f"{url}/metrics") as answer:
                page = await answer.text()
            if 'what="sims"' in page and 'what="fleet"' in page:
                return page
            await asyncio.sleep(0.2)


async def test_every_metric_that_rules_and_board_name_is_on_the_page(database: Database, tmp_path: Path) -> None:
    async with serving(tmp_path, database.url) as url, aiohttp.ClientSession() as session:
        page = await counted(session, url)
    there = names_on(page)
    missing = {
        (where, name) for where, expression in expressions() for name in _NAME.findall(expression) if name not in there
    }
    assert missing == set()


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "simwarden.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "simwarden.rules.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian package)")
async def test_a_real_prometheus_evaluates_every_rule_and_panel(database: Database, tmp_path: Path) -> None:
    async with serving(tmp_path, database.url) as url, aiohttp.ClientSession() as session:
        await counted(session, url)
        settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["rule_files"] = [str(RULES)]
        settings["scrape_configs"][0]["static_configs"][0]["targets"] = [url.removeprefix("http://")]
        file = tmp_path / "prometheus.yml"
        file.write_text(yaml.safe_dump(settings))
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await _evaluated(session, f"http://127.0.0.1:{port}/api/v1")
        finally:
            process.terminate()
            await process.wait()


async def _evaluated(session: aiohttp.ClientSession, api: str) -> None:
    async def asked(path: str, **query: str) -> Any:
        async with session.get(f"{api}/{path}", params=query) as answer:
            if answer.status == 503:
                return {"data": {"result": [], "groups": []}}  # it is starting
            return await answer.json()

    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                found = await asked("query", query='simwarden_gateways{state="ONLINE"}')
                groups = (await asked("rules"))["data"]["groups"]
            except aiohttp.ClientConnectionError:
                found, groups = {"data": {"result": []}}, []
            seen = [rule for group in groups for rule in group["rules"]]
            if found["data"]["result"] and seen and all(rule["health"] != "unknown" for rule in seen):
                break
            await asyncio.sleep(0.2)
    assert {rule["name"]: rule.get("lastError") for rule in seen if rule["health"] != "ok"} == {}
    assert len(seen) == len(rules())
    for where, expression in expressions():
        answer = await asked("query", query=expression)
        assert answer["status"] == "success", (where, answer)
    firing = {rule["name"] for rule in seen if rule["state"] == "firing"}
    assert firing == set(), "nothing is wrong with a fresh server"
