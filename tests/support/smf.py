"""A virtual SMF: opens charging sessions at a CHF, reports volumes, ends them when told to (3GPP TS 32.291)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from tests.support.nrf import body_of

from simwarden.southbound.sbi.answers import Problem, answer, refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from simwarden.southbound.sbi.client import Reply, SbiClient

PATH = "/nchf-convergedcharging/v3/chargingdata"
NOTIFY = "/nsmf-callback/v1/"


class VirtualSession:
    """One PDU session."""

    def __init__(self, number: int, imsi: str, about: dict[str, Any]) -> None:
        self.number = number
        self.imsi = imsi
        self.about = about
        """Of its pDUSessionChargingInformation."""
        self.ref: str | None = None
        """None: it was not admitted, or is over."""
        self.invocations = 0
        self.containers = 0


class VirtualSmf:
    """An ASGI application, which is told to end sessions, and the client that opens them."""

    def __init__(self, client: SbiClient, chf: str, own: str) -> None:
        """`chf`, `own`: the URLs (apiRoot) of the CHF and of this."""
        self._client = client
        self._chf = chf
        self._own = own
        self.sessions: list[VirtualSession] = []
        self.told: list[tuple[int, str]] = []
        """Notifications: session's number and type."""
        self.fault: int | None = None
        """The status that notifications are answered with, while it is set."""

    async def begin(self, imsi: str, **about: Any) -> tuple[VirtualSession, Reply]:
        """Open a session. `about`: pei, dnn, rat, ipv4, where (UserLocation)."""
        session = VirtualSession(len(self.sessions) + 1, imsi, about)
        self.sessions.append(session)
        body = self.request(session, wanted=True) | {"notifyUri": f"{self._own}{NOTIFY}{session.number}"}
        reply, location = await self._create(body)
        session.ref = location
        return session, reply

    async def report(self, session: VirtualSession, up: int, down: int, **about: Any) -> Reply:
        """Report what a session used since the last time."""
        session.about |= about
        return await self.send(session, "update", self.request(session, (up, down), wanted=True))

    async def end(self, session: VirtualSession, up: int = 0, down: int = 0) -> Reply:
        """It is over."""
        reply = await self.send(session, "release", self.request(session, (up, down)))
        session.ref = None
        return reply

    async def send(self, session: VirtualSession, what: str, body: dict[str, Any]) -> Reply:
        """Send a request about an open session, perhaps one that was sent before."""
        return await self._client.send("POST", f"{self._chf}{PATH}/{session.ref}/{what}", body)

    async def _create(self, body: dict[str, Any]) -> tuple[Reply, str | None]:
        reply = await self._client.send("POST", f"{self._chf}{PATH}", body)
        return reply, (reply.location or "").rpartition("/")[2] or None

    def request(
        self, session: VirtualSession, used: tuple[int, int] | None = None, *, wanted: bool = False
    ) -> dict[str, Any]:
        """The next ChargingDataRequest of a session."""
        usage: dict[str, Any] = {"ratingGroup": 1}
        if wanted:
            usage["requestedUnit"] = {}
        if used is not None:
            session.containers += 1
            up, down = used
            container = {"localSequenceNumber": session.containers, "uplinkVolume": up, "downlinkVolume": down}
            usage["usedUnitContainer"] = [container | {"totalVolume": up + down}]
        number = session.invocations
        session.invocations += 1
        about = session.about
        return {
            "subscriberIdentifier": f"imsi-{session.imsi}",
            "chargingId": session.number,
            "nfConsumerIdentification": {"nodeFunctionality": "SMF", "nFName": "b1d0a1a2-0000-4000-8000-000000000001"},
            "invocationTimeStamp": datetime.now(UTC).isoformat(),
            "invocationSequenceNumber": number,
            "multipleUnitUsage": [usage],
            "pDUSessionChargingInformation": {
                "chargingId": session.number,
                "userInformation": {"servedPEI": about["pei"]} if "pei" in about else {},
                **({"userLocationinfo": about["where"]} if "where" in about else {}),
                "pduSessionInformation": {
                    "pduSessionID": 5,
                    "dnnId": about.get("dnn", "iot"),
                    "ratType": about.get("rat", "NR"),
                    "pduAddress": {"pduIPv4Address": about["ipv4"]} if "ipv4" in about else {},
                },
            },
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a notification."""
        if scope["type"] != "http":
            return
        body = await body_of(receive)
        try:
            if self.fault is not None:
                raise Problem(self.fault, "A fault of the day")
            number = scope["path"].removeprefix(NOTIFY)
            found = [each for each in self.sessions if str(each.number) == number and each.ref is not None]
            if not found:
                raise Problem(404, "There is no such session")
            self.told.append((found[0].number, msgspec.json.decode(body)["notificationType"]))
        except Problem as problem:
            await refuse(send, problem)
        else:
            await answer(send, 204, b"")
