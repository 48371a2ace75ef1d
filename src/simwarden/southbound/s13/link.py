"""One connection of a Diameter peer: capabilities, watchdog, disconnection (RFC 6733 section 5, RFC 3539). No I/O."""

from __future__ import annotations

import itertools

import msgspec

from simwarden.southbound.s13 import codec
from simwarden.southbound.s13.checks import (
    APPLICATION,
    AUTH_APPLICATION,
    COMMAND,
    RESULT_CODE,
    SUCCESS,
    VENDOR_APPLICATION,
    VENDOR_ID,
    application,
)
from simwarden.southbound.s13.codec import ERROR, PROXIABLE, REQUEST, TGPP, Avp, DiameterMessage, MalformedMessage

CAPABILITIES, WATCHDOG, DISCONNECT = 257, 280, 282
ORIGIN_HOST, ORIGIN_REALM, HOST_ADDRESS, PRODUCT, SUPPORTED_VENDOR, CAUSE = 264, 296, 257, 269, 265, 273
RELAY = 0xFFFFFFFF
"""The application of an agent, which passes on what it does not know."""
UNSUPPORTED_COMMAND, UNSUPPORTED_APPLICATION, NO_COMMON_APPLICATION = 3001, 3007, 5010
FIRST = 10.0
"""Seconds within which a connection must say what it can."""


class DiameterIdentity(msgspec.Struct, frozen=True):
    """Who we are."""

    host: str
    realm: str

    @property
    def avps(self) -> tuple[Avp, Avp]:
        """Origin-Host and Origin-Realm."""
        return Avp(ORIGIN_HOST, self.host.encode()), Avp(ORIGIN_REALM, self.realm.encode())


class LinkStep(msgspec.Struct, frozen=True):
    """What became of a message."""

    send: bytes = b""
    """To be sent."""
    check: DiameterMessage | None = None
    """A check that is to be answered."""
    close: bool = False
    """The connection is to be closed after that."""
    outcome: str | None = None
    """Counted, where something is wrong."""


class PeerLink:
    """The state of one connection. Times are seconds of any clock."""

    def __init__(self, identity: DiameterIdentity, address: bytes, watchdog: float, now: float) -> None:
        """`address`: ours, as an Address AVP holds it. `watchdog`: seconds of silence after which the peer is asked."""
        self.identity = identity
        self._address = address
        self._watchdog = watchdog
        self._open = False
        self._heard = now
        self._asked = False
        self._numbers = itertools.count(1)

    def receive(self, data: bytes, now: float) -> LinkStep:
        """One whole message. Its head has been read before, so that `data` has its length."""
        self._heard, self._asked = now, False
        head = codec.read_head(data)
        try:
            message = DiameterMessage(head, codec.read_avps(data, codec.HEADER))
        except MalformedMessage as error:
            if not head.is_request or not self._open:
                return LinkStep(close=True, outcome="malformed")
            return LinkStep(self._result(head, error.result), outcome="malformed")
        if not self._open:
            return self._capabilities(message)
        if not head.is_request:
            return LinkStep()  # to a question of the watchdog
        if head.command == COMMAND and head.application == APPLICATION:
            return LinkStep(check=message)
        if head.command == CAPABILITIES:
            return self._capabilities(message)
        if head.command in (WATCHDOG, DISCONNECT):
            return LinkStep(self._result(head, SUCCESS), close=head.command == DISCONNECT)
        known = head.application in (0, APPLICATION)
        wrong = UNSUPPORTED_COMMAND if known else UNSUPPORTED_APPLICATION
        return LinkStep(self._result(head, wrong), outcome="unsupported")

    def look(self, now: float) -> LinkStep:
        """What is due when nothing comes."""
        silent = now - self._heard
        if not self._open:
            return LinkStep(close=silent >= FIRST, outcome="silent" if silent >= FIRST else None)
        if silent >= 2 * self._watchdog:
            return LinkStep(close=True, outcome="silent")
        if silent >= self._watchdog and not self._asked:
            self._asked = True
            return LinkStep(self._request(WATCHDOG))
        return LinkStep()

    def bye(self) -> bytes:
        """That we go, and come back (Disconnect-Cause REBOOTING)."""
        return self._request(DISCONNECT, codec.number(CAUSE, 0)) if self._open else b""

    def answer(self, message: DiameterMessage, avps: tuple[Avp, ...], *, error: bool = False) -> bytes:
        """An answer to a request."""
        return _answer(message.head, avps, error=error)

    def _capabilities(self, message: DiameterMessage) -> LinkStep:
        head = message.head
        if head.command != CAPABILITIES or not head.is_request:
            return LinkStep(close=True, outcome="malformed")
        common = bool({APPLICATION, RELAY} & _applications(message))
        self._open = common
        avps = (
            codec.number(RESULT_CODE, SUCCESS if common else NO_COMMON_APPLICATION),
            *self.identity.avps,
            Avp(HOST_ADDRESS, self._address),
            codec.number(VENDOR_ID, 0),
            Avp(PRODUCT, b"Simwarden", flags=0),
            codec.number(SUPPORTED_VENDOR, TGPP),
            application(),
        )
        return LinkStep(_answer(head, avps), close=not common, outcome=None if common else "unsupported")

    def _result(self, head: codec.MessageHead, result: int) -> bytes:
        return _answer(head, (codec.number(RESULT_CODE, result), *self.identity.avps), error=3000 <= result < 4000)

    def _request(self, command: int, *avps: Avp) -> bytes:
        ids = (next(self._numbers), next(self._numbers))
        return codec.write(REQUEST, command, 0, ids, (*self.identity.avps, *avps))


def _answer(head: codec.MessageHead, avps: tuple[Avp, ...], *, error: bool = False) -> bytes:
    flags = head.flags & PROXIABLE | (ERROR if error else 0)
    return codec.write(flags, head.command, head.application, (head.hop_by_hop, head.end_to_end), avps)


def _applications(message: DiameterMessage) -> set[int]:
    """Those that a peer names, by themselves or as a vendor's. Of the latter what cannot be read is left out."""
    found = []
    for avp in message.avps:
        if (avp.code, avp.vendor) == (AUTH_APPLICATION, 0):
            found.append(avp)
        elif (avp.code, avp.vendor) == (VENDOR_APPLICATION, 0):
            try:
                inside = codec.read_avps(avp.data)
            except MalformedMessage:
                continue
            found += [each for each in inside if (each.code, each.vendor) == (AUTH_APPLICATION, 0)]
    return {int.from_bytes(each.data, "big") for each in found if len(each.data) == 4}
