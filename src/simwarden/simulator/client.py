"""A client of a running simulator's control server."""

from __future__ import annotations

from typing import Any

import aiohttp

from simwarden.simulator.errors import SimulatorError


async def steer(control: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """POST `body` to the control server at the address `control`; without a body, GET.

    Raises SimulatorError with the control server's own message, or when nobody answers there within 40 seconds.
    """
    url = control.rstrip("/") + path
    method = "GET" if body is None else "POST"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=40, connect=5), trust_env=False) as session,
            session.request(method, url, json=body) as answer,
        ):
            found: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise SimulatorError(
            f"No simulator answers at {control} ({type(error).__name__}). `simwarden simulate` prints the address of "
            "its control server when it starts, `simwarden quickstart` writes it to its file."
        ) from error
    if answer.status != 200:
        raise SimulatorError(str(found.get("error", {}).get("message", found)))
    return found
