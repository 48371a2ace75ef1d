"""Registration at the NRF, so that network functions find ours (Nnrf_NFManagement, 3GPP TS 29.510 5.2).

One worker of an installation keeps the registration alive: it registers, heart-beats as often as the NRF asks, begins
anew when the NRF forgot it or went away, and takes it off the NRF's list when it stops.
"""

from __future__ import annotations

import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from simwarden.domain.alarm import UNREGISTERED_AFTER, AlarmKind, Trouble
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import uuid4_text
from simwarden.kit.worker import SoleWorker
from simwarden.southbound.sbi.client import NoAnswer, SbiClient
from simwarden.store import alarms
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.kit.worker import Lease
    from simwarden.southbound.source import SourceServices
    from simwarden.store.database import Database

HEART_BEAT = 10
"""Seconds between two heart-beats, unless the NRF says otherwise."""
SHORTEST, LONGEST = 1, 3600
"""Of what it may say."""
RETRIES = (1.0, 2.0, 5.0, 10.0)
"""Seconds until a registration is tried again after one that failed, the last one from then on."""
_PATCH = [{"op": "replace", "path": "/nfStatus", "value": "REGISTERED"}]
_log = structlog.get_logger()


class ServiceAddress(msgspec.Struct, frozen=True):
    """Where a service is reached."""

    host: str
    port: int


class NetworkFunction(msgspec.Struct, frozen=True, kw_only=True):
    """What the NRF is told of one of our network functions."""

    id: str
    """A UUID: its instance id."""
    type: str
    """NFType: `5G_EIR`, `CHF`."""
    service: str
    """The name of its only service,"""
    version: tuple[str, str]
    """and its version, in the URL and in full."""
    scheme: str
    endpoints: tuple[ServiceAddress, ...]

    @property
    def profile(self) -> dict[str, Any]:
        """As NFProfile (TS 29.510 6.1.6.2.2)."""
        in_url, full = self.version
        service: dict[str, Any] = {
            "serviceInstanceId": f"{self.service}-1",
            "serviceName": self.service,
            "versions": [{"apiVersionInUri": in_url, "apiFullVersion": full}],
            "scheme": self.scheme,
            "nfServiceStatus": "REGISTERED",
        }
        addresses = [(each, kind) for each in self.endpoints if (kind := _kind_of(each.host))]
        names = [each.host for each in self.endpoints if not _kind_of(each.host)]
        if addresses:
            service["ipEndPoints"] = [
                {kind: each.host, "transport": "TCP", "port": each.port} for each, kind in addresses
            ]
        if names:
            service["fqdn"] = names[0]
        profile: dict[str, Any] = {
            "nfInstanceId": self.id,
            "nfType": self.type,
            "nfStatus": "REGISTERED",
            "heartBeatTimer": HEART_BEAT,
            "nfServices": [service],
        }
        for kind, name in (("ipv4Address", "ipv4Addresses"), ("ipv6Address", "ipv6Addresses")):
            hosts = sorted({each.host for each, of in addresses if of == kind})
            if hosts:
                profile[name] = hosts
        if names:
            profile["fqdn"] = names[0]
        return profile


def endpoints_of(text: str, host: str, port: int) -> tuple[ServiceAddress, ...]:
    """What a setting tells the NRF, as `HOST[:PORT]`, parted by commas; empty: `host` and `port`. Raises ValueError."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = each.rpartition(":") if each.count(":") == 1 or "]:" in each else (each, "", str(port))
        if not name or not number.isdigit() or not 0 < int(number) < 65_536:
            raise ValueError(f"{each!r} is not HOST[:PORT]")
        found.append(ServiceAddress(name.strip("[]"), int(number)))
    return tuple(found) or (ServiceAddress(host, port),)


def instance_id(given: str | None, type_: str, endpoints: Sequence[ServiceAddress]) -> str:
    """The id that a setting gives, else one that is always the same for these addresses. Raises ValueError."""
    if given is not None:
        return str(uuid.UUID(given))
    where = ",".join(f"{each.host}:{each.port}" for each in endpoints)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"simwarden:{type_}:{where}"))


class NrfAlarm:
    """NRF_UNREGISTERED about one network function. Both methods may raise StoreUnavailable."""

    def __init__(self, db: Database, function: str) -> None:
        """`function`: its type, the subject of the alarm."""
        self._db = db
        self._key = AlarmKind.NRF_UNREGISTERED, function

    async def lost(self, nrf: str, reason: str) -> None:
        """Raise it, or count it."""
        kind, function = self._key
        facts = {"function": function, "nrf": nrf, "reason": reason}
        async with self._db.transaction() as connection:
            await alarms.raise_all(connection, [Trouble(kind=kind, subject=function, facts=facts)], now_utc())

    async def over(self, because: str) -> None:
        """End it, also one that another worker raised."""
        async with self._db.transaction() as connection:
            await alarms.clear_all(connection, [self._key], now_utc(), because)


class NrfRegistration(SoleWorker):
    """Of one network function at one NRF."""

    worker_name = "nrf-registration"

    def __init__(
        self,
        url: str,
        function: NetworkFunction,
        client: SbiClient,
        lease: Lease,
        alarm: NrfAlarm,
        *,
        counted: Callable[[str, str], None] = lambda _outcome, _type: None,
    ) -> None:
        """`url`: the NRF's apiRoot. `counted`: `nrf_registered`, `nrf_beat`, `nrf_lost` with the type of function."""
        super().__init__(lease)
        self._nrf = url
        self._alarm = alarm
        self._url = f"{url.rstrip('/')}/nnrf-nfm/v1/nf-instances/{function.id}"
        self._function = function
        self._client = client
        self._counted = counted
        self._every = float(HEART_BEAT)
        self._failures = 0
        self.registered = False

    async def stop(self) -> None:
        """End the loop, and take the function off the NRF's list."""
        if self._loop is not None:
            self._loop.cancel()
        if self.registered:
            self.registered = False
            try:
                await self._client.send("DELETE", self._url)
            except NoAnswer as error:
                _log.warning("not taken off the NRF's list", function=self._function.type, reason=str(error))
        await super().stop()
        await self._client.close()

    async def look(self) -> float:
        """Register, or heart-beat; returns the seconds until the next."""
        try:
            reason = await (self._beat() if self.registered else self._register())
        except NoAnswer as error:
            reason = str(error)
        if reason is not None:
            wait = self._lost(reason)
            if self._failures >= UNREGISTERED_AFTER:
                await self._alarm.lost(self._nrf, reason)
            return wait
        self._failures = 0
        await self._alarm.over("Registered again")
        return self._every

    async def _register(self) -> str | None:
        """Returns what is wrong."""
        reply = await self._client.send("PUT", self._url, self._function.profile)
        if reply.status not in (200, 201):
            return f"the NRF answered {reply.status} {reply.body.get('title') or reply.body.get('cause') or ''}".strip()
        every = reply.body.get("heartBeatTimer")
        if isinstance(every, int) and not isinstance(every, bool):
            self._every = float(min(max(every, SHORTEST), LONGEST))
        self.registered = True
        self._counted("nrf_registered", self._function.type)
        _log.info("registered at the NRF", function=self._function.type, id=self._function.id, seconds=self._every)
        return None

    async def _beat(self) -> str | None:
        reply = await self._client.send("PATCH", self._url, _PATCH, "application/json-patch+json")
        if reply.status in (200, 204):
            self._counted("nrf_beat", self._function.type)
            return None
        return f"the NRF answered {reply.status} to a heart-beat"

    def _lost(self, reason: str) -> float:
        """Not registered (any more): at once anew when it was, then ever more slowly."""
        if self.registered or self._failures == 0:
            _log.warning("not registered at the NRF", function=self._function.type, reason=reason)
        was, self.registered = self.registered, False
        self._counted("nrf_lost", self._function.type)
        self._failures += 1
        return 0.0 if was else RETRIES[min(self._failures, len(RETRIES)) - 1]


def _kind_of(host: str) -> str | None:
    """The attribute of an address; None for a name."""
    try:
        return f"ipv{ipaddress.ip_address(host).version}Address"
    except ValueError:
        return None


def registration(services: SourceServices, url: str | None, function: NetworkFunction) -> NrfRegistration | None:
    """What keeps a function registered; None where no NRF is set."""
    if url is None:
        return None
    alarm = NrfAlarm(services.db, function.type)
    lease = Leases(services.db, f"nrf {function.type}", uuid4_text(), shares=1)
    return NrfRegistration(url, function, SbiClient(services.command_timeout), lease, alarm, counted=services.counted)
