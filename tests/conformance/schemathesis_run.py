"""Schemathesis against a running server, over every document it serves: `make conformance`.

Everything is made anew: a server with an embedded PostgreSQL in a temporary folder, an account with SIMs of both
kinds, two applications (live and sandbox). Not a pytest test: it takes minutes, and Schemathesis brings half a hundred
packages, which live in an environment of their own (requirements/conformance.txt).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from tests.support.server import free_port, program

PHONES = ("+8613800000001", "+8613800000002", "+8613800000003")
SKIPPED = frozenset({"manage"})
"""Documents for which an application gets no token."""
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
    form = {"grant_type": "client_credentials", "client_id": keys["app_key"], "client_secret": keys["app_secret"]}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/oauth2/token", data=form) as answer:
        return str((await answer.json())["access_token"])


async def documents(url: str) -> list[str]:
    """The names of the documents that the server serves."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/openapi/") as answer:
        return [each["name"] for each in (await answer.json())["documents"] if each["name"] not in SKIPPED]


def examine(tool: str, url: str, name: str, bearer: str, options: argparse.Namespace, *more: str) -> bool:
    """One document; whether nothing was found."""
    command = [
        *(tool, "--config-file", str(Path(__file__).parent / "schemathesis.toml")),
        *("run", f"{url}/openapi/{name}.json"),
        *("--header", f"Authorization: Bearer {bearer}"),
        *("--checks", "all", "--mode", "all"),
        *("--max-examples", str(options.examples), "--seed", str(options.seed)),
        *("--workers", "1", "--no-color", "--continue-on-failure", *more),
    ]
    with tempfile.TemporaryDirectory() as folder:  # it leaves notes where it runs
        return subprocess.run(command, check=False, cwd=folder).returncode == 0


def _whole(tool: str) -> str:
    """The program's path, wherever it is run from."""
    return str(Path(shutil.which(tool) or tool).absolute())


async def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", default="schemathesis", type=_whole)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="names of documents")
    options = parser.parse_args()
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
            failed = []
            for mode, (flags, more) in modes.items():
                keys = simwarden(environment, "app", "create", "--account", "conformance", "--name", mode, *flags)
                bearer = await token(url, keys)
                for name in options.only or await documents(url):
                    if mode == "sandbox" and name in LIVE_ONLY:
                        continue
                    print(f"\n== {name}, {mode} application", flush=True)
                    if not examine(options.tool, url, name, bearer, options, *more):
                        failed.append(f"{name} ({mode})")
            trouble = [line for line in server.errors.splitlines() if "call failed" in line]
    print("\n".join(trouble[:20]))
    print(f"Something was found: {', '.join(failed)}" if failed or trouble else "Nothing was found.")
    return 1 if failed or trouble else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
