"""The demo's world: a server, virtual gateways and a customer's sink, each a process of its own."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any

from simwarden.demo.processes import Processes, StepFailed, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import aiohttp

PATIENCE = 60.0
"""Seconds that any step may take before it counts as not having happened."""


class World:
    """Everything the story needs, reached over HTTP and the command line like anybody would."""

    def __init__(self, session: aiohttp.ClientSession, directory: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.radius_port, self.radius_access_port = free_port(), free_port()
        self._session = session
        self.processes = Processes(
            directory,
            {
                "SIMWARDEN_DATA_DIR": str(directory / "data"),
                "SIMWARDEN_PORT": self.url.rpartition(":")[2],
                "SIMWARDEN_HOST": "127.0.0.1",
                "SIMWARDEN_RADIUS_PORT": str(self.radius_port),
                "SIMWARDEN_RADIUS_ACCESS_PORT": str(self.radius_access_port),
                "SIMWARDEN_ALLOW_PRIVATE_SINKS": "true",
                "SIMWARDEN_LOG_FORMAT": "json",
            },
        )
        self.control = ""
        self.sink = ""
        self.gateways: list[dict[str, Any]] = []
        self.token = ""

    async def start_server(self) -> asyncio.subprocess.Process:
        """Start the server on the world's data directory and wait until it is ready."""
        process = await self.processes.start("server", "serve")

        async def ready() -> bool:
            if process.returncode is not None:
                raise StepFailed(f"The server ended:\n{self.processes.log_tail('server')}")
            try:
                async with self._session.get(f"{self.url}/readyz") as answer:
                    return answer.status == 200
            except OSError:
                return False

        await until(ready, "the server is ready", 60)
        return process

    async def start_simulators(self, *gateway_options: str) -> None:
        """Start the virtual gateways and the sink."""
        gateways = await self.processes.start("gateways", "simulate", *gateway_options, "--json")
        sink = await self.processes.start("sink", "simulate", "sink", "--json")
        line = await self.processes.ready_line(gateways, "gateways")
        self.control, self.gateways = line["control"].rstrip("/"), line["gateways"]
        line = await self.processes.ready_line(sink, "sink")
        self.sink, self._sink_control = line["sink"], line["events"]

    async def steer(self, path: str, **body: Any) -> dict[str, Any]:
        """Do something to the virtual gateways."""
        return await self._json("POST", f"{self.control}{path}", body)

    async def look(self, path: str) -> dict[str, Any]:
        """See what the virtual gateways know."""
        return await self._json("GET", f"{self.control}{path}", None)

    async def sink_events(self) -> list[dict[str, Any]]:
        """What the customer's sink has received, oldest first."""
        found = await self._json("GET", self._sink_control, None)
        events: list[dict[str, Any]] = found["events"]
        return sorted(events, key=lambda event: int(event["received_ns"]))

    async def explain(self, imsi: str) -> dict[str, Any]:
        """What `simwarden sim explain` says of a SIM."""
        told: dict[str, Any] = await self.processes.command("sim", "explain", imsi)
        return told

    async def log_in(self, app_key: str, app_secret: str) -> None:
        """Call with an access token of this application from now on."""
        self.token = await self.token_of(app_key, app_secret)

    async def token_of(self, app_key: str, app_secret: str) -> str:
        """Get an access token with the client credentials."""
        basic = base64.b64encode(f"{app_key}:{app_secret}".encode()).decode()
        async with self._session.post(
            f"{self.url}/oauth2/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        ) as answer:
            body = await answer.json()
        if answer.status != 200:
            raise StepFailed(f"No access token: {body}")
        return str(body["access_token"])

    async def call(
        self, path: str, body: dict[str, Any], expected: int = 200, *, token: str | None = None
    ) -> dict[str, Any]:
        """Call a CAMARA API with the access token of `log_in`, or with another one."""
        headers = {"Authorization": f"Bearer {token or self.token}", "x-correlator": f"demo-{time.time_ns()}"}
        return await self._json("POST", f"{self.url}{path}", body, headers, expected)

    async def read(self, path: str) -> dict[str, Any]:
        """Read from a CAMARA API with the access token."""
        return await self._json("GET", f"{self.url}{path}", None, {"Authorization": f"Bearer {self.token}"})

    async def _json(
        self,
        method: str,
        url: str,
        body: dict[str, Any] | None,
        headers: dict[str, str] | None = None,
        expected: int = 200,
    ) -> dict[str, Any]:
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            if answer.status != expected:
                raise StepFailed(f"{method} {url} answered {answer.status}: {found}")
            return found


async def until(happened: Callable[[], Awaitable[Any]], what: str, patience: float = PATIENCE) -> Any:
    """Wait until `happened` gives something true, and return that. Raises StepFailed, saying what did not happen."""
    deadline = time.monotonic() + patience
    while True:
        found = await happened()
        if found:
            return found
        if time.monotonic() > deadline:
            raise StepFailed(f"Within {patience:.0f} seconds it did not happen that {what}")
        await asyncio.sleep(0.02)


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise StepFailed, saying what was seen, where something is not as it has to be."""
    if not holds:
        raise StepFailed(otherwise)
