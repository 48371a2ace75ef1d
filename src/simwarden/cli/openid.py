"""The way to an OpenID provider and back, from a terminal: the browser comes to a port of this machine (RFC 8252)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click
from aiohttp import web

from simwarden.cli.remote import ServerRefused

if TYPE_CHECKING:
    from simwarden.cli.remote import Remote

PATIENCE = 600
"""Seconds that a person has for it."""


async def log_in(remote: Remote) -> dict[str, Any]:
    """The new session, as the server answers it. Raises ServerRefused."""
    came: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def callback(request: web.Request) -> web.Response:
        if not came.done():
            came.set_result(dict(request.query))
        return web.Response(text="Go back to the terminal.")

    app = web.Application()
    app.router.add_get("/callback", callback)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        redirect = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
        begun = await remote.call("POST", "/session/openid", {"redirectUri": redirect})
        click.echo(f"Log in with your browser:\n{begun['authorizationUrl']}", err=True)
        found = await asyncio.wait_for(came, PATIENCE)
    except TimeoutError as error:
        raise ServerRefused("Nobody logged in") from error
    finally:
        await runner.cleanup()
    if "code" not in found or "state" not in found:
        raise ServerRefused(f"The provider refused: {found.get('error', 'no code came back')}")
    body = {"loginId": begun["loginId"], "code": found["code"], "state": found["state"]}
    if "iss" in found:
        body["issuer"] = found["iss"]
    answer: dict[str, Any] = await remote.call("POST", "/session/openid/finish", body)
    return answer
