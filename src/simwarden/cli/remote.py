"""Commands that act through a running server: its management API, with an operator's key."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import aiohttp
import click
import msgspec

from simwarden.accounts.applications import issue_operator
from simwarden.cli.common import current_settings, open_store
from simwarden.domain.errors import SimwardenError
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simwarden.settings import Settings

T = TypeVar("T")
KEY_FILE = "operator.key"

server_option = click.option(
    "--server", metavar="URL", help="The server to talk to [the one on the address and port of the settings]."
)
key_option = click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"The operator's key [{KEY_FILE} in the data directory, made on first use].",
)


class Key(msgspec.Struct, frozen=True):
    """An operator's key, as it lies in its file (mode 0600)."""

    app_key: str
    app_secret: str


class ServerRefused(SimwardenError):
    """The server refused."""


class Remote:
    """The management API of one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: Key) -> None:
        self._session = session
        self._url = url
        self._key = key
        self._token = ""

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None when it has none. Raises ServerRefused with the server's own words."""
        async with await self._request(method, path, body, query) as answer:
            raw = await answer.read()
        return msgspec.json.decode(raw) if raw else None

    async def download(self, path: str, file: Path) -> None:
        """Write an answer to a file: the whole of it, or what was there before stays. Raises ServerRefused."""
        part = file.with_name(f".{file.name}.part")
        try:
            async with await self._request("GET", path, None, {}) as answer:
                with part.open("wb") as target:
                    async for piece in answer.content.iter_chunked(65_536):
                        target.write(piece)
            part.replace(file)
        except (OSError, aiohttp.ClientError) as error:
            raise ServerRefused(f"{file} cannot be written: {error}") from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    async def _request(self, method: str, path: str, body: Any, query: dict[str, Any]) -> aiohttp.ClientResponse:
        given = {name: str(value) for name, value in query.items() if value is not None}
        for attempt in (1, 2):
            if not self._token:
                self._token = await self._log_in()
            headers = {"authorization": f"Bearer {self._token}", "accept": "application/json, text/csv"}
            if body is not None:
                headers["content-type"] = "application/json"
            data = None if body is None else msgspec.json.encode(body)
            answer = await self._send(method, f"/manage/v1{path}", headers=headers, data=data, params=given)
            if answer.status == 401 and attempt == 1:  # the token is over
                self._token = ""
                answer.release()
                continue
            break
        if answer.status >= 400:
            raise ServerRefused(await _said(answer))
        return answer

    async def _log_in(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": self._key.app_key}
        answer = await self._send("POST", "/oauth2/token", data={**form, "client_secret": self._key.app_secret})
        async with answer:
            if answer.status == 401:
                raise ServerRefused(
                    f"The server at {self._url} does not know this operator's key. Remove {KEY_FILE} from the data "
                    "directory to get a new one, or name the right one with --key-file."
                )
            if answer.status != 200:
                raise ServerRefused(await _said(answer))
            return str((await answer.json())["access_token"])

    async def _send(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        try:
            return await self._session.request(method, self._url + path, allow_redirects=False, **options)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServerRefused(
                f"No server answers at {self._url} ({type(error).__name__}). Start one with `simwarden serve`, or name "
                "another with --server."
            ) from error


async def _said(answer: aiohttp.ClientResponse) -> str:
    raw = await answer.read()
    try:
        body = msgspec.json.decode(raw)
        return str(body.get("message") or body.get("error_description") or raw.decode(errors="replace"))
    except (msgspec.DecodeError, AttributeError):
        return f"The server answered {answer.status}: {raw[:200].decode(errors='replace')}"


def with_server(work: Callable[[Remote], Awaitable[T]], server: str | None, key_file: Path | None) -> T:
    """Run `work` on the server. Raises ServerRefused."""
    settings, _ = current_settings()

    async def run() -> T:
        key = _read(key_file) if key_file else await local_key(settings, remote=server is not None)
        url = (server or settings.admin_url).rstrip("/")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            return await work(Remote(session, url, key))

    return asyncio.run(run())


async def local_key(settings: Settings, *, remote: bool) -> Key:
    """The key in the data directory; made there when there is none and the server is this machine's own.

    Raises ServerRefused.
    """
    path = _key_path(settings)
    if path.exists():
        return _read(path)
    if remote:
        raise ServerRefused(
            f"There is no operator's key at {path}. Make one where the server runs (`simwarden operator create NAME "
            "--key-file FILE`) and name it with --key-file."
        )
    async with open_store(settings) as store:
        name = f"{_user()}@{socket.gethostname()[:40]} {secrets.token_hex(3)}"
        made = await issue_operator(Accounts(store.db), name)
    return write_key(path, Key(made.application.app_key, made.app_secret))


def _key_path(settings: Settings) -> Path:
    return Path(settings.data_dir).expanduser() / KEY_FILE


def write_key(path: Path, key: Key) -> Key:
    """Write a key where only its owner can read it. Raises ServerRefused when the file exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - mode 0600
            file.write(msgspec.json.encode(key) + b"\n")
    except FileExistsError as error:
        raise ServerRefused(f"{path} exists already") from error
    return key


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def _read(path: Path) -> Key:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Key)
    except (OSError, msgspec.MsgspecError) as error:
        raise ServerRefused(f"{path} is not an operator's key: {error}") from error


def _user() -> str:
    try:
        return getpass.getuser()[:40]
    except (KeyError, OSError):
        return str(os.getuid())
