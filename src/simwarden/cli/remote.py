"""The management API of the server, as commands speak to it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import aiohttp
import click
import msgspec

from simwarden.cli.common import current_settings
from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simwarden.settings import Settings

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")
KEY_FILE = "operator.key"
SESSION_FILE = "session.key"
SESSION_TOKEN = "sos_"  # noqa: S105 - what the token of a session begins with
PAGE = 1000
"""Rows of the largest page."""


class Access(msgspec.Struct, frozen=True):
    """Which server is spoken to, with whose key; None: those of the settings."""

    url: str | None
    key_file: Path | None


class Key(msgspec.Struct, frozen=True):
    """An operator's key, as it lies in its file (mode 0600)."""

    app_key: str
    app_secret: str


class ServerRefused(SimwardenError):
    """The server refused."""

    def __init__(self, message: str, body: dict[str, Any] | None = None) -> None:
        """`body`: the error as the server answered it."""
        super().__init__(message)
        self.body = body


class NoServer(ServerRefused):
    """The server does not answer."""


def access_options(command: F) -> F:
    """Give a command `--url` and `--key-file`, and hand it both as `access`."""

    @functools.wraps(command)
    def given(*args: Any, url: str | None, key_file: Path | None, **options: Any) -> Any:
        return command(*args, access=Access(url, key_file), **options)

    for option in (
        click.option(
            "--key-file",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="SIMWARDEN_KEY_FILE",
            help="The operator's key [operator.key in the data directory].",
        ),
        click.option(
            "--url",
            "--server",
            "url",
            metavar="URL",
            envvar="SIMWARDEN_URL",
            help="The server [that of the settings on this machine].",
        ),
    ):
        given = option(given)
    return given  # type: ignore[return-value]


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

    async def rows(self, path: str, limit: int, **query: Any) -> tuple[list[dict[str, Any]], bool]:
        """At most `limit` rows of a list, page by page, and whether there are more. Raises ServerRefused."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.call("GET", path, limit=min(PAGE, limit - len(rows)), cursor=cursor, **query)
            cursor = page.pop("nextCursor", None)
            rows += next(iter(page.values()))
            if cursor is None or len(rows) >= limit:
                return rows, cursor is not None

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

    async def application(self, name: str) -> str:
        """The APPKEY of the application that is `ACCOUNT/APP` or has this APPKEY. Raises ServerRefused."""
        if "/" not in name:
            return name
        found = await self.call("GET", "/applications", application=name)
        return str(found["applications"][0]["appKey"])

    async def _request(self, method: str, path: str, body: Any, query: dict[str, Any]) -> aiohttp.ClientResponse:
        given: list[tuple[str, str]] = []
        for name, value in query.items():
            values = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
            given += [(name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
        for attempt in (1, 2):
            if not self._token:
                self._token = await self._log_in()
            headers = {"accept": "application/json, text/csv, application/pdf, application/xml"}
            if self._token:
                headers["authorization"] = f"Bearer {self._token}"
            if body is not None:
                headers["content-type"] = "application/json"
            data = None if body is None else msgspec.json.encode(body)
            answer = await self._send(method, f"/manage/v1{path}", headers=headers, data=data, params=given)
            if answer.status == 401 and self._token.startswith(SESSION_TOKEN) and not path.startswith("/session"):
                raise ServerRefused(
                    "Your session has ended: simwarden login, or simwarden logout to go on with the key"
                )
            if answer.status == 401 and attempt == 1 and self._token:  # the token is over
                self._token = ""
                answer.release()
                continue
            break
        if answer.status >= 400:
            raise await _refusal(answer)
        return answer

    async def _log_in(self) -> str:
        if self._key.app_secret.startswith(SESSION_TOKEN) or not self._key.app_secret:
            return self._key.app_secret
        form = {"grant_type": "client_credentials", "client_id": self._key.app_key}
        answer = await self._send("POST", "/oauth2/token", data={**form, "client_secret": self._key.app_secret})
        async with answer:
            if answer.status == 401:
                raise ServerRefused(
                    f"The server at {self._url} does not know this operator's key. If the server keeps its key in "
                    f"another data directory, name the file with --key-file; if the key was revoked, remove {KEY_FILE} "
                    "and start the server again: it makes a new one."
                )
            if answer.status != 200:
                raise await _refusal(answer)
            return str((await answer.json())["access_token"])

    async def _send(self, method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
        try:
            return await self._session.request(method, self._url + path, allow_redirects=False, **options)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoServer(
                f"The server at {self._url} does not answer ({type(error).__name__}): start it with `simwarden serve`, "
                "or name another with --url"
            ) from error


async def _refusal(answer: aiohttp.ClientResponse) -> ServerRefused:
    raw = await answer.read()
    try:
        body = msgspec.json.decode(raw)
        message = str(body.get("message") or body.get("error_description") or raw.decode(errors="replace"))
    except (msgspec.DecodeError, AttributeError):
        return ServerRefused(f"The server answered {answer.status}: {raw[:200].decode(errors='replace')}")
    return ServerRefused(message, body)


def with_server(work: Callable[[Remote], Awaitable[T]], access: Access) -> T:
    """Run `work` on the server. Raises ServerRefused."""
    settings, _ = current_settings()

    key = key_of(settings, access)
    return without_key(lambda session, url: work(Remote(session, url, key)), access, settings)


def without_key(work: Callable[[aiohttp.ClientSession, str], Awaitable[T]], access: Access, settings: Settings) -> T:
    """Run `work` with a session and the server's address. Raises ServerRefused."""

    async def run() -> T:
        url = (access.url or settings.admin_url).rstrip("/")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            return await work(session, url)

    return asyncio.run(run())


def call(access: Access, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """One call. Raises ServerRefused."""

    async def work(remote: Remote) -> Any:
        return await remote.call(method, path, body, **query)

    return with_server(work, access)


def key_of(settings: Settings, access: Access) -> Key:
    """The key that is named; else SIMWARDEN_OPERATOR_KEY (APPKEY:APPSECRET); else the session of `simwarden login`;
    else the key that the server left in the data directory. Raises ServerRefused.
    """
    if access.key_file is not None:
        return read_key(access.key_file)
    given = os.environ.get("SIMWARDEN_OPERATOR_KEY")
    if given:
        app_key, colon, secret = given.strip().partition(":")
        if not colon:
            raise ServerRefused("SIMWARDEN_OPERATOR_KEY must be APPKEY:APPSECRET")
        return Key(app_key, secret)
    if session_path().exists():
        return read_key(session_path())
    path = key_path(settings)
    if not path.exists():
        raise ServerRefused(
            f"There is no operator's key at {path}. `simwarden serve` leaves one in its data directory when it starts. "
            "For a server elsewhere make one there (`simwarden operator create NAME --key-file FILE`), and name it "
            "with --key-file."
        )
    return read_key(path)


def session_path() -> Path:
    """Where `simwarden login` keeps a person's session."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home) / "simwarden" / SESSION_FILE


def write_session(key: Key) -> Path:
    """Keep a session where only its owner can read it, in place of the one before; returns where."""
    path = session_path()
    path.unlink(missing_ok=True)
    write_key(path, key)
    return path


def key_path(settings: Settings) -> Path:
    """Where the server leaves its operator's key."""
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


def read_key(path: Path) -> Key:
    """The key in a file. Raises ServerRefused."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Key)
    except FileNotFoundError as error:
        raise ServerRefused(f"There is no file {path}") from error
    except PermissionError as error:
        raise ServerRefused(f"{path} may not be read by this user: become the one that runs the server") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise ServerRefused(f"{path} is not an operator's key: {error}") from error
