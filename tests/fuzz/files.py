"""Files that the command line reads: lists of SIMs (CSV), settings and stories (TOML), mutated."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import asyncpg
from click.testing import CliRunner, Result
from tests.fuzz.bench import Finding
from tests.fuzz.mutate import TEXTS, Mutator

from simwarden.accounts.applications import open_account
from simwarden.cli import main
from simwarden.simulator.errors import SimulatorError
from simwarden.simulator.identity import make_imei, make_sim
from simwarden.simulator.scenario import load_scenario
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database

SETTINGS = """port = 9000
host = "127.0.0.1"
workers = 2
seen_refresh = 900.0
log_level = "info"
allow_private_sinks = true
"""
VALUES = ["[1]", "{a=1}", "1e400", "-1", "9" * 40, "inf", "nan", "2020-01-01", "0x", "[[]]", "true"]
STORY = """title = "A card is carried away"

[[steps]]
at = 0.5
action = "move"
imsi = "base+1"
gateway = "gw2"
port = 1
slot = 2
swap = true

[[steps]]
at = 1
action = "fault"
gateway = "gw1"
fault = "offline"
"""


class Files:
    """Cases by number; each is a file and the command that reads it."""

    def __init__(self, url: str, directory: Path, seed: int) -> None:
        self._url = url
        self._directory = directory
        self._seed = seed
        self._runner = CliRunner()
        self.codes: Counter[int] = Counter()

    def run(self, count: int) -> None:
        """Everything. Raises Finding. Not within an event loop: commands have their own."""
        asyncio.run(self._open_account())
        for number in range(count):
            chance = random.Random(f"{self._seed}:files:{number}")
            try:
                self._case(Mutator(chance), chance, number)
            except Finding as finding:
                raise Finding(f"files {number}: {finding}") from finding

    async def _open_account(self) -> None:
        database = await Database.connect(self._url, size=1)
        await open_account(Accounts(database), f"files-{self._seed}")
        await database.close()

    def _case(self, mutator: Mutator, chance: random.Random, number: int) -> None:
        kind = chance.choice(("csv", "csv", "settings", "story"))
        path = self._directory / f"case.{kind}"
        if kind == "csv":
            content = self._csv(mutator, chance, number)
            path.write_bytes(content)
            before = self._sims()
            result = self._invoke("sim", "import", "--account", f"files-{self._seed}", "--json", str(path))
            grown = self._sims() - before
            self._check(result, content)
            if result.exit_code > 1 and grown:
                raise Finding(f"refused with {result.exit_code}, and yet {grown} SIMs were added: {content!r}")
            return
        text = mutator.text(SETTINGS if kind == "settings" else STORY) if chance.random() < 0.3 else ""
        text = text or self._lines(SETTINGS if kind == "settings" else STORY, mutator, chance)
        content = text.encode("utf-8", "surrogatepass")
        content = mutator.bytes(content) if chance.random() < 0.3 else content
        path.write_bytes(content)
        if kind == "settings":
            self._check(self._invoke("--config", str(path), "config", "show"), content)
            return
        try:
            load_scenario(str(path))
        except SimulatorError:
            self.codes[1] += 1
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error} for the story {content!r}") from error

    def _lines(self, text: str, mutator: Mutator, chance: random.Random) -> str:
        lines = text.splitlines(keepends=True)
        at = chance.randrange(len(lines))
        name, equals, value = lines[at].partition("=")
        lines[at] = chance.choice(
            [
                f"{name}= {chance.choice(TEXTS)}\n",
                f"{name}= {chance.choice(VALUES)}\n",
                f"{mutator.text(name)}{equals}{value}",
                f"{name}{equals}{mutator.text(value)}",
                lines[at] * 2,
                "",
                f'{name}= "{chance.choice(TEXTS)}"\n',
            ]
        )
        return "".join(lines)

    def _csv(self, mutator: Mutator, chance: random.Random, number: int) -> bytes:
        rows = [["iccid", "imsi", "msisdn", "imei"]]
        for index in range(chance.randint(0, 5)):
            card = make_sim(460000900000000, number * 5 + index)
            rows.append([card.iccid, card.imsi, f"+{card.msisdn}", make_imei(index)])
        for _ in range(chance.randint(0, 3)):
            row = chance.choice(rows)
            if row:
                row[chance.randrange(len(row))] = mutator.text(chance.choice(row))
            if chance.random() < 0.2:
                row.append(chance.choice(TEXTS))
        separator = chance.choice([","] * 8 + [";", "\t"])
        text = "".join(separator.join(row) + chance.choice(["\n", "\n", "\r\n", "\r"]) for row in rows)
        content = text.encode("utf-8", "surrogatepass")
        return mutator.bytes(content) if chance.random() < 0.35 else content

    def _invoke(self, *arguments: str) -> Result:
        environment = {"SIMWARDEN_DATABASE_URL": self._url, "SIMWARDEN_DATA_DIR": str(self._directory)}
        return self._runner.invoke(main, list(arguments), env=environment)

    def _check(self, result: Result, content: bytes) -> None:
        self.codes[result.exit_code] += 1
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise Finding(
                f"{type(result.exception).__name__}: {result.exception} for {content!r}"
            ) from result.exception
        if "Traceback" in result.output:
            raise Finding(f"a traceback for {content!r}: {result.output}")

    def _sims(self) -> int:
        async def count() -> int:
            connection = await asyncpg.connect(self._url)
            try:
                found: int = await connection.fetchval("select count(*) from sim")
                return found
            finally:
                await connection.close()

        return asyncio.run(count())


def clean_environment() -> None:
    """Settings of whoever runs this must not matter."""
    for name in [name for name in os.environ if name.startswith("SIMWARDEN_")]:
        del os.environ[name]
