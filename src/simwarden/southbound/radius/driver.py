"""The engine's driver for a NAS: a SIM whose data is to be off has its sessions ended, by Disconnect-Requests."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.domain.sim import Function
from simwarden.engine.ports import Capabilities, CommandFailed, ProvenBy
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius.disconnect import PORT, DisconnectClient, SessionName
from simwarden.store import sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.ports import Registration, TargetState
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

CAPABILITIES = Capabilities((Function.DATA,), ProvenBy.ANSWER)
"""Nothing but data goes through a NAS. It keeps nothing off: it ends what is there when it is asked to."""


class RadiusDriver:
    """Commands to one NAS. A target is a SIM that has, or had, sessions there: `IMSI@APN`, or the IMSI alone where they
    name no access point."""

    generation = None
    capabilities = CAPABILITIES

    def __init__(self, services: SourceServices, access: CommandAccess) -> None:
        """Raises ValueError for a NAS that is registered without what a Disconnect-Request needs."""
        host, port = command_address(access.url, access.source_addresses)
        if access.password is None:
            raise ValueError("the secret that it shares with Simwarden is missing (password)")
        self._services = services
        self._access = access
        self._client = DisconnectClient(host, port, access.password.encode(), services.command_timeout)

    async def apply(self, states: Sequence[TargetState]) -> None:
        """End the live sessions of the SIMs whose data is to be off. There is nothing to be done for the others.

        Those that ended are reported to the engine, also when others did not. Raises CommandFailed, which names them.
        """
        targets = {state.target for state in states if state.off & Function.DATA}
        if not targets:
            return
        async with self._services.db.connection() as connection:
            imsis = sorted({target.partition("@")[0] for target in targets})
            live = await sessions.live(connection, self._access.id, imsis)
        # A target that is the IMSI alone is from before its sessions named an access point: all of them are meant.
        live = [each for each in live if each.target.key in targets or each.imsi in targets]
        if not live:
            return
        names = {SessionName(session.key, session.imsi): session for session in live}
        results = await self._client.end(list(names))
        now = now_utc()
        notes = [
            SessionNote(
                key=name.id, phase=Phase.ENDED, at=now, began_at=names[name].began_at, imsi=name.imsi, presumed=True
            )
            for name, error in results.items()
            if error is None
        ]
        if notes:
            report = Report(
                gateway_id=self._access.id,
                gateway_name=self._access.name,
                received_at=now,
                message="disconnect",
                sessions=tuple(notes),
                authentic=True,
            )
            await self._services.ingest.submit(report)
        failed = {
            target: error
            for name, error in results.items()
            if error is not None
            for target in (names[name].target.key, name.imsi)
            if target in targets
        }
        if failed:
            first = next(iter(failed.values()))
            reached = any(error.reached for error in failed.values()) or bool(notes)
            raise CommandFailed(first.message, reached=reached, targets=frozenset(failed))

    async def observe(self) -> None:
        """A NAS cannot be asked which sessions it has."""


def command_address(url: str | None, source_addresses: Sequence[str]) -> tuple[str, int]:
    """Where a NAS takes Disconnect-Requests: `radius://HOST[:PORT]`, else its only source address.

    Raises ValueError.
    """
    if url is None:
        networks = [ipaddress.ip_network(text) for text in source_addresses]
        if len(networks) == 1 and networks[0].num_addresses == 1:
            return str(networks[0].network_address), PORT
        raise ValueError("it sends from several addresses, and no commandUrl (radius://HOST[:PORT]) says which one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_NO_URL) from None
    if parts.scheme != "radius" or not parts.hostname or port == 0 or parts.path not in ("", "/"):
        raise ValueError(_NO_URL)
    return parts.hostname, port or PORT


_NO_URL = "commandUrl must be radius://HOST[:PORT]"


def check(wanted: Registration) -> None:
    """How a NAS is registered: with its secret and its addresses. Raises ValueError."""
    if not wanted.has_password:
        raise ValueError("password: a NAS needs the secret that it shares with Simwarden")
    if not wanted.source_addresses:
        raise ValueError("sourceAddresses: a NAS is known by the addresses that its packets come from")
    if wanted.command_url is not None:
        command_address(wanted.command_url, ())
