"""A network function that asks for equipment checks, before the source as the server builds it, on a real database."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.support.world import World, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.identifiers import full_imei
from simwarden.edge.throttle import Allowance
from simwarden.southbound.eir.codec import PATH
from simwarden.southbound.eir.settings import EirSettings
from simwarden.southbound.eir.source import SOURCE, EirSource
from simwarden.southbound.source import SourceServices

if TYPE_CHECKING:
    from collections.abc import Sequence

CURL = shutil.which("curl")
LOCAL = ("127.0.0.1/32",)


class Core:
    """A world with an AMF, `amf-1`, that asks at `source`."""

    def __init__(self, world: World, session: aiohttp.ClientSession, **settings: Any) -> None:
        self.world = world
        self.session = session
        self.counted: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.port = free_port()
        services = SourceServices(
            elements=world.gateways,
            ingest=world.ingest,
            db=world.db,
            session=session,
            guesses=Allowance(1),
            counted=lambda *words: self.counted.update([words]),
            refused=lambda reason: self.refused.update([reason]),
        )
        self.source: EirSource = SOURCE.build(services, EirSettings(eir_port=self.port, **settings))  # type: ignore[assignment]

    async def register(self, name: str = "amf-1", *, account: str | None = None, at: Sequence[str] = LOCAL) -> int:
        """Enter a network function in the register."""
        id_, _ = await self.world.gateways.add(
            name,
            kind=SOURCE.name,
            command_url=None,
            username=None,
            password=None,
            account_id=account,
            source_addresses=at,
        )
        return id_

    def url(self, query: str, scheme: str = "http") -> str:
        """Of a check."""
        return f"{scheme}://127.0.0.1:{self.port}{PATH}?{query}"

    async def ask(self, query: str, **headers: str) -> tuple[int, dict[str, Any], str]:
        """Over HTTP/1.1: status, body, media type."""
        async with self.session.get(self.url(query), headers=headers) as answer:
            return answer.status, await answer.json(content_type=None), answer.content_type

    async def check(self, device: str, card: int | None = None) -> str:
        """The verdict on a device, with or without a SIM in it."""
        supi = "" if card is None else f"&supi=imsi-{imsi(card)}"
        status, body, _ = await self.ask(f"pei=imei-{full_imei(device)}{supi}")
        return str(body["status"]) if status == 200 else f"{status} {body.get('cause')}"

    async def curl(self, query: str, *arguments: str, scheme: str = "http") -> tuple[str, str]:
        """By curl, HTTP/2 with prior knowledge: version and status, and the body."""
        assert CURL is not None
        told = ("--silent", "--max-time", "30", "--write-out", "\n%{http_version} %{http_code}", *arguments)
        process = await asyncio.create_subprocess_exec(
            CURL, *told, self.url(query, scheme), stdout=asyncio.subprocess.PIPE
        )
        output = (await process.communicate())[0].decode()
        body, _, line = output.rpartition("\n")
        return line, body


def problem(body: dict[str, Any]) -> str:
    """Its cause, after a look at the rest."""
    assert body["status"] >= 400
    assert body["title"]
    json.dumps(body)
    return str(body.get("cause"))
