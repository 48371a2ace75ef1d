"""What the command pages of all generations share: login, the switched-on fault, tolerant reading of the body."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from simwarden.simulator.commands import Executor, ReceivedCommand, answer
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.faults import FaultName
from simwarden.simulator.messages import Message
from simwarden.simulator.slot_addresses import SlotAddress, parse_pattern

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Pages:
    """One generation's pages over one gateway."""

    executor: Executor
    username: str
    password: str
    configure_reports: Callable[[str | None, int | None], None]
    """Takes the new report URL and the new period in seconds (0 = off); None leaves it as it is."""

    def authenticate(self, request: web.Request) -> bool:
        """Compare the credentials of the query (`Username` is accepted too)."""
        query = request.query
        user = query.get("username", query.get("Username", ""))
        password = query.get("password", query.get("Password", ""))
        same_user = hmac.compare_digest(user.encode(), self.username.encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and same_user

    async def faulty(self, request: web.Request) -> tuple[FaultName, web.Response | None]:
        """Meet the switched-on fault: either it answers (or hangs) here, or the page must carry its name along."""
        fault = self.executor.fault
        name = fault.take()
        if name == "refuse":
            command = self.executor.record("refused", request.path, fault=name)
            return name, finish(command, answer(fault.code), status=fault.status)
        if name == "timeout":
            self.executor.record("hung", request.path, fault=name)
            await fault.cleared.wait()
            return name, finish(None, answer(6, "Timeout"), status=504)
        if name == "slow":
            await asyncio.sleep(fault.delay)
        return name, None

    def every_slot(self, pattern: str) -> list[SlotAddress]:
        """The slots a pattern names on this device."""
        gateway = self.executor.gateway
        return parse_pattern(pattern, ports=gateway.ports, slots=gateway.slots)


def finish(command: ReceivedCommand | None, body: Message | list[Message], *, status: int = 200) -> web.Response:
    """Answer, and note in the record what was answered."""
    if command is not None:
        command.http_status = status
        command.code = body.get("code") if isinstance(body, dict) else 0
    return web.json_response(body, status=status)


async def read_json(request: web.Request) -> Any:
    """The body as JSON whatever its content type; an empty body is an empty object."""
    raw = await request.read()
    try:
        return json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object."""
    body = await read_json(request)
    if not isinstance(body, dict):
        raise InvalidRequest(f"the body must be a JSON object, not {type(body).__name__}")
    return body
