"""Talks to the server: access token, inbox, events, acknowledgements."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import msgspec

from simwarden.accounts.server import TOKEN_PATH
from simwarden.domain.errors import SimwardenError
from simwarden.northbound.listen.routes import NAME
from simwarden.northbound.listen.schemas import Acknowledgement, DeliveryVerdict, Events, InboxAnswer, WaitingEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
WAIT = 25
"""Seconds of one poll."""
_TOTAL = 15.0
_PATIENCE = (1.0, 2.0, 5.0)
"""Seconds between attempts while the server cannot be reached; the last one stays."""


class Refused(SimwardenError):
    """The server does not want it so; trying again does not help."""


class Unreachable(Exception):
    """The server cannot be reached, or cannot work, at the moment."""


class ListenClient:
    """One application's access to one inbox."""

    def __init__(self, session: aiohttp.ClientSession, url: str, app_key: str, app_secret: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._credentials = {"client_id": app_key, "client_secret": app_secret}
        self._token = ""
        self._inbox = ""

    async def open(self, name: str) -> InboxAnswer:
        """The inbox of this name. Raises Refused, Unreachable."""
        found = await self._call("POST", "inboxes", InboxAnswer, {"name": name})
        self._inbox = found.id
        return found

    async def take(self) -> Sequence[WaitingEvent]:
        """The next events; waits for them. Raises Refused, Unreachable."""
        path = f"inboxes/{self._inbox}/events?wait={WAIT}"
        return (await self._call("GET", path, Events, None, WAIT + _TOTAL)).events

    async def acknowledge(self, said: Acknowledgement) -> DeliveryVerdict:
        """Say what became of an event; goes on until the server has heard it. Raises Refused."""
        for attempt in range(1000):
            try:
                return await self._call("POST", f"inboxes/{self._inbox}/acknowledgements", DeliveryVerdict, said)
            except Unreachable:
                await asyncio.sleep(patience(attempt))
        raise Refused("The server cannot be reached any more")

    async def _call(self, method: str, path: str, kind: type[T], body: Any, total: float = _TOTAL) -> T:
        for again in (True, False):
            if not self._token:
                await self._log_in()
            url = f"{self._url}/{NAME}/v1/{path}"
            status, answer = await self._request(method, url, total, body, {"authorization": f"Bearer {self._token}"})
            if status == 401 and again:
                self._token = ""  # it expires within the hour
                continue
            if status >= 300:
                raise Refused(f"The server answered {status}: {_message(answer)}")
            return msgspec.json.decode(answer, type=kind)
        raise AssertionError

    async def _log_in(self) -> None:
        form = {"grant_type": "client_credentials", "scope": "listen:receive", **self._credentials}
        status, answer = await self._request("POST", self._url + TOKEN_PATH, _TOTAL, aiohttp.FormData(form), {})
        if status != 200:
            raise Refused(f"No access token: {_message(answer)}")
        self._token = msgspec.json.decode(answer)["access_token"]

    async def _request(
        self, method: str, url: str, total: float, body: Any, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        data = body
        headers = {**headers, "accept": "application/json", "accept-encoding": "identity"}
        if body is not None and not isinstance(body, aiohttp.FormData):
            data = msgspec.json.encode(body)
            headers = {**headers, "content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=total, connect=5)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                status, content = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        if status in (429, 502, 503, 504):
            raise Unreachable(f"it answered {status}")
        return status, content


def patience(attempt: int) -> float:
    """Seconds to wait after so many failed attempts."""
    return _PATIENCE[min(attempt, len(_PATIENCE) - 1)]


def _message(answer: bytes) -> str:
    try:
        found = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return answer[:200].decode("utf-8", "replace")
    if not isinstance(found, dict):
        return str(found)[:200]
    return str(found.get("message") or found.get("error_description") or found)
