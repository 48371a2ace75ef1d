"""The ASGI edge of one CAMARA API: everything that happens to a request before and after its operation.

Order of the checks: x-correlator (400), path (404), token (401), the API in the caller's mode (404), method (405),
scope (403), rate (429), Accept (406), media type (415), size of the body (400), Idempotency-Key (400, 422, or the
answer given before), the steps of other APIs that its headers ask for (`kernel.steps`), quota (429), then the
operation's own, its body's content first. Every answer carries x-correlator.
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from simwarden.domain.errors import ResourceNotFound, SimwardenError
from simwarden.domain.rates import OverLimit
from simwarden.domain.usage import OverQuota, Usage
from simwarden.edge.bodies import read_body
from simwarden.northbound.kernel import headers as header_rules
from simwarden.northbound.kernel import keys, rate_headers
from simwarden.northbound.kernel.errors import (
    ErrorInfo,
    InvalidAccessToken,
    MethodNotAllowed,
    PermissionDenied,
    Unauthenticated,
    detailed,
    info,
)
from simwarden.northbound.kernel.ports import Answered, SignedHead, TokenHolder
from simwarden.northbound.kernel.steps import CheckedCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from simwarden.domain.rates import ServiceLimit
    from simwarden.engine.idempotency import StoredResponse
    from simwarden.engine.quota import HeldQuota, Quotas
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.steps import CallStep

MAX_BODY = 64 * 1024
"""Bytes of a request body, where the operation does not allow for more."""
USAGES_KEPT = 20_000
_SEGMENTS = 8
"""Segments of a path that are looked at: no operation has more."""
_log = structlog.get_logger()
_encoder = msgspec.json.Encoder()
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotent-replayed", b"true")


class Request(msgspec.Struct, frozen=True):
    """A call that has passed all checks that need no knowledge of its operation."""

    caller: TokenHolder
    correlator: str
    body: bytes
    parameter: str
    """What stands in the path for its (first) parameter."""
    query: str = ""
    """What follows the question mark."""
    call: keys.RequestKey | None = None
    """The name that the client gave the call by an Idempotency-Key, where the operation keeps answers."""
    usage: Usage | None = None
    """What the call counts as when it changes something; None: it is not the business of the ledger."""
    address: str = ""
    """Where it came from, as the trusted proxies say."""


class Answer(msgspec.Struct, frozen=True):
    """What an operation answers."""

    status: int
    body: Any = None
    """Anything that msgspec can encode; None for no body."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    stream: AsyncIterator[bytes] | None = None
    """A body that is not JSON, piece by piece; `headers` name its type."""
    only_read: bool = False
    """Said of an operation that may change something: it was asked to read, and is counted as that."""
    idle: bool = False
    """Nothing was done, or not yet: all was so already, or the answer was given before. The call is not counted."""


if TYPE_CHECKING:
    Handler = Callable[[Request], Awaitable[Answer]]


class Endpoint(msgspec.Struct, frozen=True):
    """One operation of the API's document."""

    name: str
    """operationId."""
    handle: Handler
    has_body: bool
    max_body: int = MAX_BODY
    """Bytes of its request body."""
    produces: str = header_rules.MEDIA_TYPE
    """Media type of its answer."""
    once: bool = False
    """It changes something and heeds Idempotency-Key; `writing.execute` does the work."""
    about_sim: bool = True
    """Its request names a SIM, by `Devices.name` or `Devices.covered`."""
    reads: bool = False
    """It reads what is known of a SIM, and is counted when it is answered."""
    subscribes: bool = False
    """It makes a subscription."""


class Api:
    """One API as an ASGI application, to be mounted at `/<api-name>`.

    `endpoints` maps a path below that (`/v0.1/bind`, `/v0.1/subscriptions/{}`, `/v1/sims/{}/events`) to endpoints by
    method. A parameter matches one segment that is not empty.
    """

    def __init__(
        self,
        name: str,
        endpoints: Mapping[str, Mapping[str, Endpoint]],
        scopes: Mapping[str, frozenset[str]],
        edge: Edge,
        *,
        for_operators: bool = False,
        with_detail: bool = False,
        takes_signatures: bool = False,
        steps: Mapping[bytes, CallStep] = MappingProxyType({}),
    ) -> None:
        """`scopes`: by operationId, those of which any one allows the call (`accounts.scopes.of_operations`).

        `for_operators`: errors are answered in their own words, which may say more than a customer should know.
        `with_detail`: the text of an error stands in `detail` too, where the document had it first.
        `takes_signatures`: a request may be signed in place of carrying a token (`Edge.signatures`).
        `steps`: by the name of a header, in small letters, what this API wants done with calls of any API that carry
        it.
        """
        self.name = name
        self.sandbox: Api | None = None
        """Answers callers in sandbox mode in place of this one; None: the API is not there for them (404)."""
        self._endpoints = endpoints
        self._scopes = {each.name: scopes[each.name] for methods in endpoints.values() for each in methods.values()}
        self._edge = edge
        self._for_operators = for_operators
        self._with_detail = with_detail
        self._usages: dict[tuple[str, str], Usage] = {}
        """By application and what its calls count as: to make one and to hash it costs more than to find it."""
        self._signatures = edge.signatures if takes_signatures else None
        self.steps = steps
        self._taken: Mapping[bytes, CallStep] = {}
        self._headers = header_rules.places()

    def take(self, steps: Mapping[bytes, CallStep]) -> None:
        """Take these steps with each call."""
        self._taken = steps
        self._headers = header_rules.places(steps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        call, begun = _Call(self._edge), time.perf_counter()
        try:
            answer = await self._answer(call, scope, receive)
        except SimwardenError as error:
            if error.status == 500:
                self._log_failure(call, scope, error)
            answer = refusal(error, call.allow, for_operators=self._for_operators)
            call.over = error.limit if isinstance(error, OverLimit | OverQuota) else None
        except Exception as error:  # the one place where whatever went wrong becomes an answer
            self._log_failure(call, scope, error)
            answer = refusal(SimwardenError())
        call.correlator = call.correlator or header_rules.correlator(None)
        caller, endpoint = call.caller, call.endpoint
        self._edge.meter(
            Answered(
                self.name,
                endpoint.name if endpoint else None,
                answer.status,
                answer.body.code if isinstance(answer.body, ErrorInfo) else None,
                caller.account_id if caller else None,
                caller.app_key if caller else None,
                call.correlator,
                time.perf_counter() - begun,
            )
        )
        counted = endpoint is not None and (endpoint.reads or answer.only_read) and answer.status < 300
        if counted and call.edge.reads is not None and caller is not None and endpoint is not None:
            call.edge.reads(self._usage(caller, endpoint, "/query" if answer.only_read else ""))
        if self._with_detail and isinstance(answer.body, ErrorInfo):
            answer = msgspec.structs.replace(answer, body=detailed(answer.body))
        if answer.status == 429 and caller is not None:
            await self._edge.refusals.wait(caller.app_key)
        limits: Sequence[ServiceLimit] = ()
        if call.is_limited and caller is not None and endpoint is not None:
            limits = call.limits(caller.app_key, self.name, endpoint.name)
        await _send(answer, call.correlator, send, rate_headers.of(limits) if limits else ())

    async def _answer(self, call: _Call, scope: Scope, receive: Receive) -> Answer:
        headers = header_rules.read(scope["headers"], self._headers)
        call.correlator = header_rules.correlator(headers.correlator)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        methods, parameter = self._resource(path)
        token = header_rules.bearer(headers.authorization)
        caller = call.caller = None if token is None else await self._edge.tokens.check(token)
        if caller is None:
            if token is not None or self._signatures is None or headers.authorization is None:
                raise Unauthenticated if token is None else InvalidAccessToken
            caller = call.caller = await self._signer(call, scope, headers.authorization)
        if caller.sandbox:
            if self.sandbox is None:
                raise ResourceNotFound
            methods, parameter = self.sandbox._resource(path)
            call.edge = self.sandbox._edge
        edge = call.edge
        endpoint = call.endpoint = methods.get(scope["method"])
        if endpoint is None:
            call.allow = ", ".join(sorted(methods))
            raise MethodNotAllowed
        if caller.scopes.isdisjoint(self._scopes[endpoint.name]):
            raise PermissionDenied
        if edge.rates is not None and not edge.rates.spend(caller.app_key, self.name, endpoint.name):
            await edge.rates.admit(caller, self.name, endpoint.name, subscribes=endpoint.subscribes)
        call.is_limited = (
            edge.rates is None or caller.daily_quota is not None or bool(edge.rates.limits(caller.app_key))
        )
        header_rules.check_accept(headers.accept, endpoint.produces)
        body = b""
        if endpoint.has_body:
            header_rules.check_content(headers)
            body = await read_body(receive, headers.content_length, endpoint.max_body)
        if call.signed is not None and not call.signed.covers(body):
            raise Unauthenticated("The body is not the one that was signed")
        query = scope.get("query_string", b"").decode("latin-1")
        named = None
        if endpoint.once and edge.answers is not None:
            named = keys.named(headers.idempotency_key, caller, scope["path"], query, body)
            kept = None if named is None else await edge.answers.find(named.name, named.digest)
            if kept is not None:
                return replay(kept)
        if headers.stepped:
            caller = await self._stepped(caller, endpoint, headers.stepped)
        usage = None if edge.reads is None or endpoint.reads else self._usage(caller, endpoint)
        address = (scope.get("client") or ("",))[0]
        request = Request(caller, call.correlator, body, parameter, query, named, usage, address)
        if (
            call.is_limited
            and edge.quota is not None
            and (endpoint.once or endpoint.reads)
            and (quotas := edge.quota.of(caller))
        ):
            call.quotas = quotas
            return await self._limited(endpoint, request, edge, edge.quota, quotas)
        return await endpoint.handle(request)

    async def _signer(self, call: _Call, scope: Scope, authorization: str) -> TokenHolder:
        """Who signed the request's head. Raises Unauthenticated."""
        assert self._signatures is not None
        query = scope.get("query_string", b"").decode("latin-1")
        head = scope["method"], scope["path"], query, str(scope.get("address", ""))
        call.signed = await self._signatures.check(authorization, *head)
        if call.signed is None:
            raise Unauthenticated
        return call.signed.caller

    async def _limited(
        self, endpoint: Endpoint, request: Request, edge: Edge, quota: Quotas, held_against: Sequence[HeldQuota]
    ) -> Answer:
        """The answer to a call that would be counted, of who may make so many. Raises OverQuota."""
        try:
            await quota.take(held_against)
        except OverQuota:
            named = request.call
            kept = named and edge.answers and await edge.answers.find(named.name, named.digest)
            if kept:  # the last one of the quota was this very call, and has been answered just now
                return replay(kept)
            raise
        counted = False
        try:
            answer = await endpoint.handle(request)
            counted = answer.status < 300 and not answer.idle
            return answer
        finally:
            quota.settle(held_against, counted=counted)

    async def _stepped(self, caller: TokenHolder, endpoint: Endpoint, given: Mapping[bytes, str]) -> TokenHolder:
        """The caller as the steps leave it. Raises what they raise."""
        api = self.sandbox if caller.sandbox and self.sandbox is not None else self
        for name, step in api._taken.items():
            if name in given:
                caller = await step(given[name], CheckedCall(self.name, endpoint, self._scopes[endpoint.name], caller))
        return caller

    def _usage(self, caller: TokenHolder, endpoint: Endpoint, part: str = "") -> Usage:
        usage = self._usages.get((caller.app_key, endpoint.name + part))
        if usage is None:
            if len(self._usages) >= USAGES_KEPT:
                self._usages.clear()
            usage = Usage(caller.account_id, caller.app_key, self.name, endpoint.name + part)
            self._usages[caller.app_key, endpoint.name + part] = usage
        return usage

    def _resource(self, path: str) -> tuple[Mapping[str, Endpoint], str]:
        methods = self._endpoints.get(path)
        if methods is not None:
            return methods, ""
        parts = path.split("/", _SEGMENTS)
        for at in range(len(parts) - 1, 1, -1):  # behind the version; the last segment is the usual one
            if parts[at]:
                methods = self._endpoints.get("/".join((*parts[:at], "{}", *parts[at + 1 :])))
                if methods is not None:
                    return methods, parts[at]
        raise ResourceNotFound

    def _log_failure(self, call: _Call, scope: Scope, error: Exception) -> None:
        name = call.endpoint.name if call.endpoint else scope["method"]
        _log.error("call failed", api=self.name, operation=name, correlator=call.correlator, exc_info=error)


class _Call:
    """What becomes known of a request while it is checked."""

    correlator = ""
    caller: TokenHolder | None = None
    endpoint: Endpoint | None = None
    allow = ""
    signed: SignedHead | None = None
    """Its head is signed, in place of carrying a token."""
    quotas: Sequence[HeldQuota] = ()
    """Those that it is held against."""
    is_limited = True
    """Limits may be set for the caller, or the call was refused before that was known."""
    over: ServiceLimit | None = None
    """Why it is refused."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        """Of the mode that the caller is in; the live one until that is known."""

    def limits(self, app_key: str, api: str, operation: str) -> Sequence[ServiceLimit]:
        """What the client is shown: the limits that are set for it, or else the one that refused the call."""
        rates, quota = self.edge.rates, self.edge.quota
        shown = () if rates is None else rates.shown(app_key, api, operation)
        if quota is not None and self.quotas:
            shown = (*shown, *quota.shown(self.quotas))
        return shown or (() if self.over is None else (self.over,))


def replay(kept: StoredResponse) -> Answer:
    """An answer that was given before, said to be one."""
    headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in kept.secret]
    return Answer(kept.status, msgspec.Raw(kept.body) if kept.body else None, [*headers, _REPLAYED], idle=True)


def refusal(error: SimwardenError, allow: str = "", *, for_operators: bool = False) -> Answer:
    """What is answered for an error."""
    extra: list[tuple[bytes, bytes]] = []
    if error.status == 401:
        # Only who presented a token is told that it is no good (RFC 6750 clause 3.1).
        presented = isinstance(error, InvalidAccessToken)
        extra.append((b"www-authenticate", b'Bearer error="invalid_token"' if presented else b"Bearer"))
    elif error.retry_after is not None:
        extra.append((b"retry-after", str(error.retry_after).encode()))
    elif allow:
        extra.append((b"allow", allow.encode()))
    return Answer(error.status, info(error, for_operators=for_operators), extra)


async def _send(answer: Answer, correlator: str, send: Send, more: Sequence[tuple[bytes, bytes]]) -> None:
    body = b"" if answer.body is None else _encoder.encode(answer.body)
    headers = [(b"x-correlator", correlator.encode("ascii")), *answer.headers, *more]
    if answer.stream is not None:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for piece in answer.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if answer.body is not None:
        headers += [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
