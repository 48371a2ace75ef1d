"""The engine's driver for a function that charges: a SIM whose data is to be off has its sessions ended, by
ABORT_CHARGING to the address that each session named (3GPP TS 32.291 5.2.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.domain.sim import Function
from simwarden.engine.ports import Capabilities, CommandFailed, ProvenBy
from simwarden.kit.clock import now_utc
from simwarden.southbound.sbi.client import NoAnswer
from simwarden.store import sessions
from simwarden.store.charging import ChargingSessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.session import Session
    from simwarden.engine.ports import TargetState
    from simwarden.southbound.sbi.client import SbiClient
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

CAPABILITIES = Capabilities((Function.DATA,), ProvenBy.ANSWER)
ABORT = {"notificationType": "ABORT_CHARGING"}


class ChfDriver:
    """Commands to one function. A target is a SIM that has, or had, sessions there: `IMSI@DNN`, or the IMSI alone."""

    generation = None
    capabilities = CAPABILITIES

    def __init__(self, services: SourceServices, client: SbiClient, access: CommandAccess) -> None:
        self._services = services
        self._client = client
        self._access = access
        self._open = ChargingSessions(services.db)

    async def apply(self, states: Sequence[TargetState]) -> None:
        """End the live sessions of the SIMs whose data is to be off. There is nothing to be done for the others.

        Those that ended are reported to the engine, also when others did not. Raises CommandFailed, which names them.
        """
        targets = {state.target for state in states if state.off & Function.DATA}
        imsis = sorted({target.partition("@")[0] for target in targets})
        if not imsis:
            return
        async with self._services.db.connection() as connection:
            live = await sessions.live(connection, self._access.id, imsis)
        # A target that is the IMSI alone is one whose sessions named no data network when it began: all are meant.
        live = [each for each in live if each.target.key in targets or each.imsi in targets]
        if not live:
            return
        uris = await self._open.notify_uris(self._access.id, imsis)
        errors = {each.key: error for each in live if (error := await self._end(each, uris)) is not None}
        ended = [each for each in live if each.key not in errors]
        if ended:
            await self._report(ended)
        if errors:
            first = next(iter(errors.values()))
            reached = any(error.reached for error in errors.values()) or bool(ended)
            named = {key for each in live if each.key in errors for key in (each.target.key, each.imsi)}
            raise CommandFailed(str(first.args[0]), reached=reached, targets=frozenset(named & targets))

    async def observe(self) -> None:
        """A function that charges cannot be asked which sessions it has."""

    async def _end(self, session: Session, uris: dict[tuple[str, str], str | None]) -> CommandFailed | None:
        """Returns what went wrong. One that the function does not know is over."""
        uri = uris.get((session.imsi, session.key))
        if uri is None:
            return CommandFailed("The session named no address, or none of the element's, where it can be ended")
        try:
            reply = await self._client.send("POST", uri, ABORT)
        except NoAnswer as error:
            return CommandFailed(str(error), reached=False)
        if reply.status in (200, 204, 404, 410):
            return None
        return CommandFailed(f"ABORT_CHARGING was answered with {reply.status}")

    async def _report(self, ended: Sequence[Session]) -> None:
        now = now_utc()
        notes = tuple(
            SessionNote(
                key=session.key,
                phase=Phase.ENDED,
                at=now,
                began_at=session.began_at,
                imsi=session.imsi,
                presumed=True,
            )
            for session in ended
        )
        report = Report(
            gateway_id=self._access.id,
            gateway_name=self._access.name,
            received_at=now,
            message="abort-charging",
            sessions=notes,
            authentic=True,
        )
        await self._services.ingest.submit(report)
