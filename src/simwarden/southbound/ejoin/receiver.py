"""Where Ejoin gateways push their reports: `POST /southbound/ejoin/{token}`, one secret URL per gateway.

Answered in the vendor's form, `{"code": ..., "reason": ...}`, after what was reported is committed.
"""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from simwarden.domain.addresses import is_within
from simwarden.domain.errors import StoreUnavailable
from simwarden.edge.bodies import BodyRefused, BodyTooLong, read_body
from simwarden.edge.throttle import HeldBack
from simwarden.engine.element_rates import ElementOverLimit
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit.clock import now_utc
from simwarden.southbound.ejoin import translate
from simwarden.southbound.ejoin.codec import decode, decode_plain_sms
from simwarden.southbound.ejoin.messages import Decoded, Undecodable, Unknown
from simwarden.southbound.quarantine import Quarantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from simwarden.edge.throttle import Allowance
    from simwarden.engine.element_rates import ElementRates
    from simwarden.engine.ingest import Ingest
    from simwarden.store.gateways import GatewayRef, Gateways

MAX_BODY = 1 << 20
"""Bytes: 256 ports make less than 100 kB."""
_OVER = {
    "reports": "This gateway sends more reports than it may (reports_per_gateway)",
    "bytes": "This gateway sends more bytes than it may (report_kib_per_gateway)",
    "open_reports": "This gateway sends more reports at once than it may (open_reports_per_gateway)",
}
"""What is answered, by what there is too much of; each names the setting."""
_TOKEN_SECONDS = 15.0
_TOKENS_KEPT = 10_000


class Receiver:
    """`counted(outcome, message type)` is called once per request and once per message for the metrics."""

    def __init__(
        self,
        gateways: Gateways,
        ingest: Ingest,
        *,
        counted: Callable[[str, str], None] = lambda _outcome, _type: None,
        guesses: Allowance | None = None,
        rates: ElementRates | None = None,
        refused: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """`guesses`: how many unknown URLs an address may try; `rates`: what a gateway may send; `refused(reason)` is
        called for what is beyond them."""
        self._gateways = gateways
        self._ingest = ingest
        self._quarantine = Quarantine(gateways)
        self._counted = counted
        self._guesses = guesses
        self._rates = rates
        self._refused = refused
        self._held_back = HeldBack()
        self._known: dict[str, tuple[float, GatewayRef]] = {}

    def routes(self) -> list[Route]:
        """To be mounted at the root."""
        return [Route("/southbound/ejoin/{token}", self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Take in one push."""
        try:
            return await self._receive(request)
        except StoreUnavailable:
            self._counted("unavailable", "")
            return _answer(503, "The reports cannot be stored at the moment, send again", {"Retry-After": "1"})

    async def _receive(self, request: Request) -> Response:
        token, address = request.path_params["token"], str(request.scope.get("address", ""))
        # One that was right before is looked up in any case, so that no gateway is shut out by a neighbour.
        wait = self._guesses.wait(address) if self._guesses and token not in self._known else 0.0
        if wait:
            self._refused("unknown_report_urls")
            await self._held_back.wait(address)
            return _answer(429, "Too many unknown report URLs from this address", {"Retry-After": str(ceil(wait))})
        gateway = await self._gateway(token)
        if gateway is None:
            self._counted("unknown_token", "")
            if self._guesses:
                self._guesses.use(address)
            return _answer(404, "No gateway has this report URL")
        client = request.client.host if request.client else ""
        if gateway.source_addresses and not is_within(client, gateway.source_addresses):
            self._counted("wrong_address", "")
            return _answer(403, "This gateway's reports are not taken from this address")
        if self._rates is None:
            return await self._report(gateway, request)
        try:
            async with self._rates.request(gateway.id, gateway.name):
                return await self._report(gateway, request)
        except ElementOverLimit as error:
            self._refused(f"{error.what}_of_gateway")
            await self._held_back.wait(f"gateway {gateway.id}")
            return _answer(429, _OVER[error.what], {"Retry-After": "1"})

    async def _report(self, gateway: GatewayRef, request: Request) -> Response:
        content_type = request.headers.get("content-type")
        try:
            body = await read_body(request.receive, request.headers.get("content-length"), MAX_BODY)
        except BodyTooLong as error:
            self._counted("too_large", "")
            await self._keep_body(gateway, error.message, content_type, b"")
            return _answer(error.http_status, error.message)
        except BodyRefused as error:
            self._counted(error.reason, "")
            return _answer(error.http_status, error.message, {"Retry-After": "1"} if error.retry_after else None)
        if self._rates is not None:
            self._rates.received(gateway.id, len(body))
        now = now_utc()
        try:
            decoded = self._decode(request, body, content_type)
        except Undecodable as error:
            self._counted("undecodable", "")
            await self._keep_body(gateway, error.reason, content_type, body)
            return _answer(400, error.reason)
        await self._keep_unparsed(gateway, decoded, content_type, body)
        dropped: list[str] = []
        try:
            await self._ingest.submit(
                *(translate.to_report(gateway, message, body, now, dropped=dropped) for message in decoded.messages)
            )
        except UnacceptableReport as error:
            self._counted("unacceptable", "")
            await self._keep_body(gateway, error.message, content_type, body)
            return _answer(400, error.message)
        except StoreUnavailable:
            raise
        except Exception as error:  # the boundary: a fault of this server's, which the engine has logged
            self._counted("failed", "")
            await self._keep_body(gateway, f"Not taken in: {type(error).__name__}", content_type, body)
            return _answer(500, "This report could not be taken in, and is kept for inspection")
        for message in decoded.messages:
            self._counted("accepted", translate.type_of(message))
        for name in dropped:
            self._counted("number_dropped", name)
        return _answer(200, "OK")

    def _decode(self, request: Request, body: bytes, content_type: str | None) -> Decoded:
        # A few old devices send a plain text with query parameters instead of JSON.
        if "sender" in request.query_params and body[:1] not in (b"{", b"["):
            return decode_plain_sms(request.query_params, body, content_type)
        return decode(body, content_type)

    async def _keep_unparsed(
        self, gateway: GatewayRef, decoded: Decoded, content_type: str | None, body: bytes
    ) -> None:
        if decoded.repaired:
            self._counted("repaired", "")
            await self._keep_body(
                gateway, "Read after one repair of its quotes or commas", content_type, body, refused=False
            )
        for message in decoded.messages:
            if isinstance(message, Unknown):
                self._counted("unknown_type", "")
                await self._keep_body(
                    gateway, f"Unknown message type {message.type!r}, kept", content_type, body, refused=False
                )

    async def _keep_body(
        self, gateway: GatewayRef, reason: str, content_type: str | None, body: bytes, *, refused: bool = True
    ) -> None:
        await self._quarantine.keep(gateway, reason, content_type, body, refused=refused)

    async def _gateway(self, token: str) -> GatewayRef | None:
        """The gateway of a token; known ones are remembered for a few seconds."""
        kept = self._known.get(token)
        if kept is not None and time.monotonic() - kept[0] < _TOKEN_SECONDS:
            return kept[1]
        gateway = await self._gateways.by_token(token)
        if gateway is None:
            self._known.pop(token, None)
            return None
        if len(self._known) >= _TOKENS_KEPT:
            self._known.clear()
        self._known[token] = (time.monotonic(), gateway)
        return gateway


def _answer(code: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode({"code": code, "reason": reason})
    return Response(body, status_code=code, media_type="application/json", headers=headers)
