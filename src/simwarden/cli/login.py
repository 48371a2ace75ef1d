"""`simwarden login` and `simwarden logout`: commands as a person, not as a key."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import click

from simwarden.cli.building import examples
from simwarden.cli.common import current_settings
from simwarden.cli.openid import log_in
from simwarden.cli.remote import (
    Access,
    Key,
    Remote,
    ServerRefused,
    access_options,
    session_path,
    with_server,
    without_key,
    write_session,
)

if TYPE_CHECKING:
    from simwarden.settings import Settings

SESSION = "session"
"""In place of an APPKEY, in the file that holds a session's token."""


@click.command(epilog=examples(("login ann@operator.example", "login --setup-code CODE", "login --openid")))
@click.argument("email", required=False)
@click.option("--openid", is_flag=True, help="At the OpenID provider of the server, with your browser.")
@click.option("--setup-code", help="The code that an administrator handed out: set a password with it.")
@access_options
def login(email: str | None, setup_code: str | None, access: Access, *, openid: bool) -> None:
    """Log in as a person. Commands then are yours in the audit list, and do what your role opens.

    Asks for the password, and for the code of the second factor where there is one. The session is kept in
    session.key in your configuration directory (mode 0600); SIMWARDEN_OPERATOR_KEY and --key-file go before it.
    """
    settings, _ = current_settings()
    if openid:
        _keep(without_key(lambda session, url: log_in(Remote(session, url, Key(SESSION, ""))), access, settings))
        return
    if setup_code is None:
        body: dict[str, Any] = {"email": email or click.prompt("E-mail address", err=True)}
        body["password"] = click.prompt("Password", hide_input=True, err=True)
        path = "/session"
    else:
        password = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
        body, path = {"setupCode": setup_code, "password": password}, "/session/setup"
    answer = _post(settings, access, path, body)
    if "needs" in answer:
        code = click.prompt("Code, or a recovery code", err=True).strip()
        answer = _post(settings, access, path, body | {"recoveryCode" if "-" in code else "code": code})
    _keep(answer)


def _keep(answer: dict[str, Any]) -> None:
    file = write_session(Key(SESSION, answer["token"]))
    user, session = answer["user"], answer["session"]
    click.echo(f"You are {user['email']} ({user['role']}) until {session['endsAt']} at the latest. {file}")
    if answer["needsSecondFactor"]:
        click.echo("First get a second factor: simwarden user second-factor")


@click.command(epilog=examples(("logout",)))
@access_options
def logout(access: Access) -> None:
    """End the session that login began; commands are again those of the operator's key."""
    path = session_path()
    if not path.exists():
        raise ServerRefused("You are not logged in")

    async def work(remote: Remote) -> None:
        await remote.call("DELETE", "/session")

    with contextlib.suppress(ServerRefused):  # it may be over, or the server away: the file goes in any case
        with_server(work, Access(access.url, path))
    path.unlink(missing_ok=True)
    click.echo("You are logged out")


def _post(settings: Settings, access: Access, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async def work(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
        remote = Remote(session, url, Key(SESSION, ""))
        found: dict[str, Any] = await remote.call("POST", path, body)
        return found

    return without_key(work, access, settings)
