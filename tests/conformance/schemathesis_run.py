"""Schemathesis against a running server, over every document it serves: `make conformance`.

Everything is made anew: a server with an embedded PostgreSQL in a temporary folder, an account with SIMs of both
kinds, two applications (live and sandbox). Not a pytest test: it takes minutes, and Schemathesis brings half a hundred
packages, which live in an environment of their own (requirements/conformance.txt). One line a document; what the tool
says is kept in build/conformance, and shown for a document in which it found something.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from tests.support.server import program

from simwarden.demo.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

PHONES = ("+8613800000001", "+8613800000002", "+8613800000003")
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
REPOSITORY = Path(__file__).parent.parent.parent
SKIPPED = frozenset({"manage"})
"""Documents for which an application gets no token."""
AT_ONCE = 2
"""Documents that are examined at once."""
LIVE_ONLY = frozenset({"iot-device-management"})
"""Documents that are not part of the sandbox."""


def simwarden(environment: dict[str, str], *arguments: str) -> Any:
    """Run a command, and read what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "simwarden", *arguments, "--json"],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return msgspec.json.decode(done.stdout)


async def ready(url: str) -> None:
    """Wait until the server answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def token(url: str, keys: dict[str, str]) -> str:
    """An access token with everything the application may do."""
    form = {"grant_type": "client_credentials", "client_id": keys["appKey"], "client_secret": keys["appSecret"]}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/oauth2/token", data=form) as answer:
        return str((await answer.json())["access_token"])


async def documents(url: str) -> list[str]:
    """The names of the documents that the server serves."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/openapi/") as answer:
        return [each["name"] for each in (await answer.json())["documents"] if each["name"] not in SKIPPED]


async def operations(url: str, name: str) -> dict[str, str]:
    """The operations of a document: operationId to path."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/openapi/{name}.json") as answer:
        paths: dict[str, dict[str, Any]] = (await answer.json())["paths"]
    return {one["operationId"]: path for path, item in paths.items() for one in item.values() if "operationId" in one}


def configuration(known: dict[str, str]) -> str:
    """What `schemathesis.toml` says that is about one of these operations: of the rest it would complain."""
    head, *blocks = re.split(r"^(?=\[\[operations\]\])", CONFIGURATION.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = [head]
    for block in blocks:
        [about] = tomllib.loads(block)["operations"]
        ids = about.get("include-operation-id", [])
        by_path = about.get("include-path-regex")
        named = not known.keys().isdisjoint([ids] if isinstance(ids, str) else ids)
        if named or (by_path is not None and any(re.search(by_path, path) for path in known.values())):
            kept.append(block)
    return "".join(kept)


def counted(output: str) -> str:
    """How much was done, from the tool's own summary."""
    tested, generated = re.search(r"Tested: (\d+)", output), re.search(r"(\d+) generated", output)
    parts = (f"{tested[1]:>3} operations" if tested else "", f"{generated[1]:>6} cases" if generated else "")
    return ", ".join(part for part in parts if part) or "nothing counted"


def run(command: Sequence[str], folder: str, log: Path, notes: Path) -> bool:
    """Run the tool; whether it was content. In `notes` Hypothesis keeps its tables of Unicode, which take 2 s."""
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(notes)}
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, check=False, cwd=folder, env=environment, stdout=output, stderr=output)
    return done.returncode == 0


async def examine(
    name: str, mode: str, url: str, bearer: str, options: argparse.Namespace, more: Sequence[str] = ()
) -> bool:
    """One document, one line; all that the tool said only when something was found. Whether nothing was."""
    begun = time.monotonic()
    known = await operations(url, name)
    log = options.output / f"{name}-{mode}.txt"
    with tempfile.TemporaryDirectory() as folder:  # it leaves notes where it runs
        written = Path(folder) / "schemathesis.toml"
        written.write_text(configuration(known), encoding="utf-8")
        command = [
            *(options.tool, "--config-file", str(written)),
            *("run", f"{url}/openapi/{name}.json"),
            *("--header", f"Authorization: Bearer {bearer}"),
            *("--checks", "all", "--mode", "all"),
            *("--max-examples", str(options.examples), "--seed", str(options.seed)),
            *("--generation-database", "none", "--workers", "1", "--no-color", "--continue-on-failure", *more),
        ]
        passed = await asyncio.to_thread(run, command, folder, log, options.output / ".hypothesis")
    said = log.read_text(encoding="utf-8", errors="replace")
    verdict = "passed" if passed else "FAILED"
    print(f"{name:40} {mode:8} {counted(said)}  {time.monotonic() - begun:6.0f} s  {verdict}", flush=True)
    if not passed:
        print(said, flush=True)
    return passed


def _whole(tool: str) -> str:
    """The program's path, wherever it is run from."""
    return str(Path(shutil.which(tool) or tool).absolute())


async def _all(names: Sequence[str], examine_one: Callable[[str], Awaitable[bool]]) -> list[bool]:
    """Examine documents, some at once; whether nothing was found, of each."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> bool:
        async with turns:
            return await examine_one(name)

    return list(await asyncio.gather(*map(one, names)))


async def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", default="schemathesis", type=_whole)
    parser.add_argument("--examples", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="names of documents")
    parser.add_argument("--live", action="store_true", help="leave out the sandbox")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "build" / "conformance", help="the tool's own words"
    )
    options = parser.parse_args()
    options.output = options.output.absolute()
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"What the tool says in full is kept in {options.output}", flush=True)
    with tempfile.TemporaryDirectory(prefix="simwarden-conformance-") as folder:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "SIMWARDEN_DATA_DIR": f"{folder}/data",
            "SIMWARDEN_HOST": "127.0.0.1",
            "SIMWARDEN_PORT": str(port),
            "SIMWARDEN_LOG_LEVEL": "warning",
        }
        async with program(Path(folder), environment, "serve") as server:
            await ready(url)
            simwarden(environment, "account", "create", "conformance")
            for number, phone in enumerate(PHONES):
                names = ("--imsi", f"46000099012369{number}", "--msisdn", phone)
                simwarden(environment, "sim", "add", "--account", "conformance", *names)
            # In the sandbox a number that ends in 50 means 503; a 500 is found in the server's log all the same.
            modes: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
                "live": ((), ()),
                "sandbox": (("--sandbox",), ("--exclude-checks", "not_a_server_error")),
            }
            failed: list[str] = []
            if options.live:
                del modes["sandbox"]
            for mode, (flags, more) in modes.items():
                keys = simwarden(
                    environment, "app", "create", "--account", "conformance", "--name", mode, "--scopes", "all", *flags
                )
                bearer = await token(url, keys)
                examined = options.only or await documents(url)
                wanted = [name for name in examined if mode == "live" or name not in LIVE_ONLY]
                passed = await _all(
                    wanted, partial(examine, mode=mode, url=url, bearer=bearer, options=options, more=more)
                )
                failed += [f"{name} ({mode})" for name, well in zip(wanted, passed, strict=True) if not well]
            trouble = [line for line in server.errors.splitlines() if "call failed" in line]
    print("\n".join(trouble[:20]))
    print(f"Something was found: {', '.join(failed)}" if failed or trouble else "Nothing was found.")
    return 1 if failed or trouble else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
