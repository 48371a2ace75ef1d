"""The engine's driver for a NAS: a SIM whose data is to be off has its sessions ended, by Disconnect-Requests, or their
packets filtered, by CoA-Requests."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, Restriction, SessionNote
from simwarden.domain.sim import Function
from simwarden.engine.ports import Capabilities, CommandFailed, ProvenBy
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius.dynamic_authorization import (
    PORT,
    ChangeRefused,
    DynamicAuthorizationClient,
    SessionGone,
    SessionName,
)
from simwarden.store import sessions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.session import Session
    from simwarden.engine.ports import Registration, TargetState
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

    _Names = Mapping[SessionName, Session]
    _Results = dict[SessionName, CommandFailed | None]

CAPABILITIES = Capabilities((Function.DATA,), ProvenBy.ANSWER)
"""Nothing but data goes through a NAS. It keeps nothing off: it ends, or filters, what is there when it is asked to."""


class RadiusDriver:
    """Commands to one NAS. A target is a SIM that has, or had, sessions there: `IMSI@APN`, or the IMSI alone where they
    name no access point."""

    generation = None
    capabilities = CAPABILITIES

    def __init__(self, services: SourceServices, access: CommandAccess) -> None:
        """Raises ValueError for a NAS that is registered without what a Disconnect-Request needs."""
        host, port, self._filters = command_address(access.url, access.source_addresses)
        if access.password is None:
            raise ValueError("the secret that it shares with Simwarden is missing (password)")
        self._services = services
        self._access = access
        self._client = DynamicAuthorizationClient(host, port, access.password.encode(), services.command_timeout)

    async def apply(self, states: Sequence[TargetState]) -> None:
        """End the live sessions of the SIMs whose data is to be off, or filter their packets where the NAS is
        registered with filters; there is nothing else to be done for the others than to take such a filter away.

        What succeeded is reported to the engine, also where the rest did not. Raises CommandFailed, which names the
        targets that failed.
        """
        bars = any(state.off & Function.DATA for state in states)
        targets = {state.target for state in states if bool(state.off & Function.DATA) is bars}
        async with self._services.db.connection() as connection:
            imsis = sorted({target.partition("@")[0] for target in targets})
            live = await sessions.live(connection, self._access.id, imsis)
        # A target that is the IMSI alone is from before its sessions named an access point: all of them are meant.
        live = [each for each in live if each.target.key in targets or each.imsi in targets]
        live = [each for each in live if _is_to_be_changed(each, bars=bars)]
        if not live:
            return
        names = {SessionName(session.key, session.imsi): session for session in live}
        results = await (self._end(names) if self._filters is None else self._filter(names, self._filters, bars=bars))
        failed = {
            target: error
            for name, error in results.items()
            if error is not None
            for target in (names[name].target.key, name.imsi)
            if target in targets
        }
        if failed:
            first = next(iter(failed.values()))
            reached = any(error.reached for error in failed.values()) or len(failed) < len(results)
            raise CommandFailed(first.message, reached=reached, targets=frozenset(failed))

    async def _end(self, names: _Names) -> _Results:
        results = await self._client.end(list(names))
        await self._report("disconnect", names, [name for name, error in results.items() if error is None])
        return results

    async def _filter(self, names: _Names, filters: Filters, *, bars: bool) -> _Results:
        """Have packets filtered, or no more. A session of which the NAS refuses that is ended; its device may ask for
        another one, which is then admitted or not."""
        if bars:  # noted before: should this process die, the filter is known to be there, perhaps
            await self._report("coa", names, list(names), Restriction.ASKED)
        results = await self._client.filter(list(names), filters.barred if bars else filters.open)
        taken = [name for name, error in results.items() if error is None]
        await self._report("coa", names, taken, Restriction.IN_FORCE if bars else Restriction.NONE)
        gone = [name for name, error in results.items() if isinstance(error, SessionGone)]
        await self._report("coa", names, gone)
        refused = {name: names[name] for name, error in results.items() if isinstance(error, ChangeRefused)}
        ended = await self._end({name: one for name, one in refused.items() if name not in gone})
        return results | dict.fromkeys(gone) | ended

    async def _report(
        self, message: str, names: _Names, which: Sequence[SessionName], restriction: Restriction | None = None
    ) -> None:
        """Tell the engine what the NAS took. `restriction` None: that these sessions are over."""
        if not which:
            return
        now = now_utc()
        notes = [
            SessionNote(
                key=name.id,
                phase=Phase.ENDED if restriction is None else Phase.GOES_ON,
                at=now,
                began_at=names[name].began_at,
                imsi=name.imsi,
                presumed=restriction is None,
                restriction=restriction,
            )
            for name in which
        ]
        report = Report(
            gateway_id=self._access.id,
            gateway_name=self._access.name,
            received_at=now,
            message=message,
            sessions=tuple(notes),
            authentic=True,
        )
        await self._services.ingest.submit(report)

    async def observe(self) -> None:
        """A NAS cannot be asked which sessions it has."""


class Filters(msgspec.Struct, frozen=True):
    """What a NAS calls its filters (Filter-Id)."""

    barred: str
    """Lets no packet pass."""
    open: str
    """Lets packets pass as those of a session that was never barred."""


def _is_to_be_changed(session: Session, *, bars: bool) -> bool:
    return not session.is_restricted if bars else session.restriction is not Restriction.NONE


def command_address(url: str | None, source_addresses: Sequence[str]) -> tuple[str, int, Filters | None]:
    """Where a NAS takes requests: `radius://HOST[:PORT]`, else its only source address; and the filters that
    `?barred-filter=NAME&open-filter=NAME` behind it names.

    Raises ValueError.
    """
    if url is None:
        networks = [ipaddress.ip_network(text) for text in source_addresses]
        if len(networks) == 1 and networks[0].num_addresses == 1:
            return str(networks[0].network_address), PORT, None
        raise ValueError("it sends from several addresses, and no commandUrl (radius://HOST[:PORT]) says which one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_NO_URL) from None
    if parts.scheme != "radius" or not parts.hostname or port == 0 or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(_NO_URL)
    return parts.hostname, port or PORT, _filters(parts.query)


def _filters(query: str) -> Filters | None:
    if not query:
        return None
    try:
        named = dict(parse_qsl(query, strict_parsing=True, max_num_fields=len(_FILTERS), errors="strict"))
    except ValueError:
        raise ValueError(_NO_URL) from None
    if named.keys() != set(_FILTERS):
        raise ValueError(_NO_URL)
    names = [named[name] for name in _FILTERS]
    if any(not 1 <= len(name.encode()) <= MOST_OF_FILTER_ID or not name.isprintable() for name in names):
        raise ValueError(f"a filter's name is 1 to {MOST_OF_FILTER_ID} octets long and printable")
    if names[0] == names[1]:
        raise ValueError("barred-filter and open-filter are two different filters")
    return Filters(*names)


_FILTERS = ("barred-filter", "open-filter")
MOST_OF_FILTER_ID = 253
"""Octets of an attribute's value (RFC 2865 section 5)."""
_NO_URL = "commandUrl must be radius://HOST[:PORT], with or without ?barred-filter=NAME&open-filter=NAME"


def check(wanted: Registration) -> None:
    """How a NAS is registered: with its secret and its addresses. Raises ValueError."""
    if not wanted.has_password:
        raise ValueError("password: a NAS needs the secret that it shares with Simwarden")
    if not wanted.source_addresses:
        raise ValueError("sourceAddresses: a NAS is known by the addresses that its packets come from")
    if wanted.command_url is not None:
        command_address(wanted.command_url, ())
