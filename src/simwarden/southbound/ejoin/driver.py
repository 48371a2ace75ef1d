"""Commands to an Ejoin gateway over its HTTP API, all generations behind one client.

The credentials travel in the query string because the API knows no other way (2.x and v3 alike), so nothing this module
raises or shows contains a request's URL, and redirects are not followed. A command that returned was taken by the
gateway; that it acted shows in its next status message (`st` 7 or 12 after a lock).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, quote_plus

import aiohttp
from yarl import URL

from simwarden.engine import ports
from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.codec import DeviceStatus, Undecodable, decode
from simwarden.southbound.ejoin.commands import (
    CREDENTIAL_CODES,
    REASONS,
    CommandAnswer,
    CommandRequest,
    Generation,
    Slot,
    SlotOperation,
    SmsOrder,
    command_request,
    credentials,
    is_passing,
    read_answer,
    read_task_answers,
    sms_request,
    status_request,
)
from simwarden.southbound.ejoin.normalise import Unreadable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")

__all__ = ["EjoinCommandFailed", "EjoinDriver", "Generation", "Slot", "redact"]

MAX_ANSWER = 2 * 1024 * 1024
"""Longest answer read, bytes: a status of 256 ports with 8 slots each is about half of it."""

_CREDENTIALS = CREDENTIAL_CODES | {401, 403}
_QUERY_SECRETS = re.compile(
    r"([?&;](?:user(?:name)?|pass(?:word|wd)?|pwd|auth|session|token)=)[^&;#\s\"']*", re.IGNORECASE
)
_USER_INFO = re.compile(r"(//)[^/?#\s@]*@")


def redact(url: str) -> str:
    """`url`, or a text with URLs in it, with `***` for the values of credential parameters and for user:password."""
    return _USER_INFO.sub(r"\1***@", _QUERY_SECRETS.sub(r"\1***", url))


class EjoinCommandFailed(ports.CommandFailed):
    """The gateway did not take a command."""

    def __init__(self, reason: str, *, retryable: bool, code: int | None = None) -> None:
        super().__init__(reason, reached=not isinstance(self, _NoAnswer))
        self.reason = reason
        """What went wrong, in a sentence without credentials."""

        self.retryable = retryable
        """Whether the same command may succeed soon without anyone changing anything."""

        self.gateway_code = code
        """The gateway's code (table in `commands.REASONS`), or the HTTP status when that was not 200; None when there
        was no answer, or none that told a code."""


class _NoAnswer(EjoinCommandFailed):
    """The gateway could not be reached, fell silent, or answered so that nobody knows what it did."""


class EjoinDriver:
    """One gateway, as something that takes commands.

    Holds no connection of its own: `session` is the caller's, shared among gateways. Methods may run concurrently.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        username: str,
        password: str,
        generation: Generation | None = None,
        timeout: float = 5.0,
    ) -> None:
        """Address one gateway.

        `base_url` is `http://host[:port]`, perhaps with a path before the API's; `generation` spares the probe when it
        is known; `timeout` is for one whole request, in seconds. Raises `ValueError` for a `base_url` that is none.
        """
        url = URL(base_url)
        if url.scheme not in {"http", "https"} or not url.host or url.user or url.password or url.query_string:
            raise ValueError("base_url must be http(s)://host[:port] without user, password and query")
        self._session = session
        self._base = url
        self._username = username
        self._password = password
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self.generation = generation
        """The API the gateway speaks, as given or found out; None before the first command."""

    def __repr__(self) -> str:
        return f"EjoinDriver({str(self._base)!r}, generation={self.generation!r})"

    async def probe(self) -> Generation:
        """Find out, and remember, which API the gateway speaks, by asking for its status: v3 first, then 2.x, then 1.x.

        Raises `EjoinCommandFailed` when no answer is a status; then for the wrong credentials if any answer said so.
        """
        failures: list[EjoinCommandFailed] = []
        for generation in (Generation.V3, Generation.V2, Generation.V1):
            try:
                await self._status(generation)
            except _NoAnswer:
                raise
            except EjoinCommandFailed as failure:
                failures.append(failure)
            else:
                self.generation = generation
                return generation
        for failed in failures:
            if failed.gateway_code in _CREDENTIALS:
                raise failed
        # Unknown paths answer in many ways; only a passing trouble is worth asking again for.
        if any(failed.retryable and failed.gateway_code is not None for failed in failures):
            raise EjoinCommandFailed("The gateway answers to no API at the moment.", retryable=True)
        raise EjoinCommandFailed("The gateway speaks none of the known APIs.", retryable=False)

    async def lock(self, slots: Sequence[Slot]) -> None:
        """Take the cards in `slots` off the network (2.x op `lock`, v3 `/lock_sims`); no slot means the whole port.

        One request however many slots; none at all for no slots. Locking a locked slot is no error.
        """
        await self._change(SlotOperation.LOCK, slots)

    async def unlock(self, slots: Sequence[Slot]) -> None:
        """Let the cards in `slots` use the network again (2.x op `unlock`, v3 `/unlock_sims`)."""
        await self._change(SlotOperation.UNLOCK, slots)

    async def read_status(self) -> bytes:
        """The gateway's `dev-status` of all slots as it sent it, to be read the same way as a pushed one."""
        return await self._perform(self._status)

    async def send_sms(self, orders: Sequence[SmsOrder]) -> dict[int, CommandAnswer]:
        """Have short messages sent, in one request; returns what the gateway says to each task, as far as it does.

        A failure has `reached` only where the gateway says that it took none: after any other it may have.
        """

        async def send(generation: Generation) -> dict[int, CommandAnswer]:
            try:
                body = await self._fetch(sms_request(orders, generation), generation)
            except EjoinCommandFailed as failure:
                if not failure.retryable and failure.gateway_code is not None:
                    raise
                unclear = _NoAnswer(failure.reason, retryable=failure.retryable, code=failure.gateway_code)
            else:
                try:
                    answers = read_task_answers(body)
                except Unreadable:
                    answers = {}
                if answers:
                    return answers
                try:
                    self._check(body, generation)  # it may say why
                except EjoinCommandFailed as failure:
                    if failure.gateway_code is not None:
                        raise
                unclear = _NoAnswer("The gateway's answer names no task.", retryable=True)
            raise unclear

        return await self._perform(send)

    async def _change(self, operation: SlotOperation, slots: Sequence[Slot]) -> None:
        async def change(generation: Generation) -> None:
            await self._command(command_request(operation, slots, generation), generation)

        if slots:
            await self._perform(change)

    async def _perform(self, do: Callable[[Generation], Awaitable[T]]) -> T:
        """`do` in the gateway's generation; once more, after a probe, when a remembered one is not there any longer."""
        if self.generation is None:
            return await do(await self.probe())
        try:
            return await do(self.generation)
        except EjoinCommandFailed as failure:
            if failure.gateway_code != 404:
                raise
        # A firmware update changes the generation.
        return await do(await self.probe())

    async def _status(self, generation: Generation) -> bytes:
        body = await self._fetch(status_request(generation), generation)
        try:
            found = any(isinstance(message, DeviceStatus) for message in decode(body).messages)
        except Undecodable:
            found = False
        if not found:
            self._check(body, generation)
            raise EjoinCommandFailed("The gateway answered with something other than its status.", retryable=True)
        return body

    async def _command(self, request: CommandRequest, generation: Generation) -> None:
        body = await self._fetch(request, generation)
        answer = self._check(body, generation)
        # v3 documents only the HTTP status of its commands; 2.x always tells a code.
        if answer is None and generation is not Generation.V3:
            raise EjoinCommandFailed("The gateway's answer tells no outcome.", retryable=True)

    def _check(self, body: bytes, generation: Generation) -> CommandAnswer | None:
        """The outcome in `body`, None when it tells none; raises `EjoinCommandFailed` for a refusal or no JSON."""
        if not body and generation is Generation.V3:
            return None
        try:
            answer = read_answer(body)
        except Unreadable:
            raise EjoinCommandFailed("The gateway's answer is not JSON.", retryable=True) from None
        if answer is None or answer.succeeded:
            return answer
        if answer.code in CREDENTIAL_CODES:
            raise self._refused(answer.code)
        words = self._scrub(answer.reason or REASONS.get(answer.code, "no reason given"))
        raise EjoinCommandFailed(
            f"The gateway refused: code {answer.code}, {words}.", retryable=is_passing(answer.code), code=answer.code
        )

    async def _fetch(self, request: CommandRequest, generation: Generation) -> bytes:
        """The body of the answer to `request`; raises `EjoinCommandFailed` unless its status is 200."""
        account = credentials(self._username, self._password, generation)
        url = (self._base / request.path).with_query({**request.query, **account})
        status, body, failure = 0, bytearray(), None
        try:
            async with self._session.request(
                request.method,
                url,
                data=request.body,
                headers={"Content-Type": "application/json"} if request.body is not None else None,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                status = response.status
                if status == 200:
                    async for chunk in response.content.iter_any():
                        body += chunk
                        if len(body) > MAX_ANSWER:
                            response.close()
                            break
        except TimeoutError:
            failure = f"The gateway did not answer within {self._timeout.total:g} s."
        except aiohttp.ClientConnectorError:
            failure = "The gateway cannot be reached."
        except (aiohttp.ClientError, OSError) as error:
            # Only the kind: the messages of these may quote the URL.
            failure = f"The connection to the gateway failed ({failure_of(error)})."
        # Raised here, not in the handlers: there the original, with the URL in it, would hang on as context.
        if failure is not None:
            raise _NoAnswer(failure, retryable=True)
        if len(body) > MAX_ANSWER:
            raise EjoinCommandFailed(f"The gateway's answer is longer than {MAX_ANSWER} bytes.", retryable=False)
        if status != 200:
            raise self._by_status(status)
        return bytes(body)

    def _by_status(self, status: int) -> EjoinCommandFailed:
        if status in {401, 403}:
            return self._refused(status)
        if 300 <= status < 400:
            return EjoinCommandFailed("The gateway redirects, which is not followed.", retryable=False, code=status)
        if status == 404:
            return EjoinCommandFailed("The gateway does not know this command.", retryable=False, code=status)
        retryable = status >= 500 or status in {408, 425, 429}
        return EjoinCommandFailed(f"The gateway answered with HTTP status {status}.", retryable=retryable, code=status)

    @staticmethod
    def _refused(code: int) -> EjoinCommandFailed:
        return EjoinCommandFailed("The gateway refused the user name or password.", retryable=False, code=code)

    def _scrub(self, words: str) -> str:
        """The gateway's words, short and without the credentials, should it quote the request."""
        words = redact(normalise.clean(words))
        for secret in (self._password, self._username):
            for form in {secret, quote(secret, safe=""), quote_plus(secret)} - {""}:
                words = words.replace(form, "***")
        return " ".join(words.split())[:200]


def failure_of(error: BaseException) -> str:
    """What went wrong with a connection, in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS could not be agreed on"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"it cannot be reached: {error.os_error.strerror}" if error.os_error.strerror else "it cannot be reached"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it hung up"
    return "it broke off"
