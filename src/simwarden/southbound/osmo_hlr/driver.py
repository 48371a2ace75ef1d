"""The engine's driver for an HLR: a SIM's network access mode, and whether what is switched off still goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.domain.reports import Report, SubscriberNote
from simwarden.domain.sim import ALL_FUNCTIONS, Function
from simwarden.engine.ports import Capabilities, CommandFailed, ProvenBy
from simwarden.kit.clock import now_utc
from simwarden.southbound.osmo_hlr import ctrl, vty
from simwarden.southbound.osmo_hlr.address import parse
from simwarden.southbound.osmo_hlr.vty import CIRCUIT, PACKET
from simwarden.southbound.osmo_hlr.wire import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from simwarden.engine.ports import TargetState
    from simwarden.southbound.osmo_hlr.settings import OsmoHlrSettings
    from simwarden.southbound.osmo_hlr.vty import Subscriber
    from simwarden.southbound.source import SourceServices
    from simwarden.store.gateways import CommandAccess

GROUPS = (CIRCUIT, PACKET)
CAPABILITIES = Capabilities(GROUPS, ProvenBy.READ_BACK)


class OsmoHlrDriver:
    """Commands to one HLR. A target is the IMSI of a subscriber."""

    generation = None
    capabilities = CAPABILITIES

    def __init__(
        self,
        services: SourceServices,
        access: CommandAccess,
        settings: OsmoHlrSettings,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """Raises ValueError for an HLR that is registered without an address."""
        self.address = parse(access.url)
        self._services = services
        self._access = access
        self._batch = settings.osmo_hlr_batch
        self._period = timedelta(minutes=settings.osmo_hlr_update_minutes)
        self._clock = clock

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Set network access modes (VTY), and read them back (control interface).

        What the HLR shows then is reported to the engine. Raises CommandFailed, which names the subscribers that are
        not as they were to be.
        """
        failed: dict[str, str] = {}
        for begin in range(0, len(states), self._batch):
            failed |= await self._apply(states[begin : begin + self._batch])
        if failed:
            raise CommandFailed(next(iter(failed.values())), targets=frozenset(failed))

    async def _apply(self, states: Sequence[TargetState]) -> dict[str, str]:
        """Returns by IMSI why it failed."""
        commands = [vty.set_mode(state.target, state.off) for state in states]
        answers = await vty.run(
            self.address, commands, password=self._access.password, enable=True, seconds=self._timeout
        )
        said = dict(zip((state.target for state in states), vty.complaints(answers), strict=True))
        shown = await ctrl.accesses(self.address, list(said), seconds=self._timeout)
        notes = [self._of_access(imsi, shown.get(imsi)) for imsi in said]
        await self._services.ingest.submit(self.report("network-access-mode", notes))
        failed = {}
        for state, note in zip(states, notes, strict=True):
            if note.off != state.off:
                failed[state.target] = (
                    said[state.target] or "The HLR took the network access mode, and shows another one"
                )
        return failed

    async def read(self, targets: Sequence[str]) -> Report:
        """TargetReader: what `show subscriber` prints. Raises CommandFailed."""
        found: dict[str, Subscriber | None] = {}
        for begin in range(0, len(targets), self._batch):
            found |= await self.subscribers(targets[begin : begin + self._batch])
        return self.report("subscriber", [self.note(imsi, each) for imsi, each in found.items()])

    async def observe(self) -> None:
        """An HLR is not asked for all its subscribers at once."""

    async def subscribers(self, imsis: Sequence[str]) -> dict[str, Subscriber | None]:
        """Some subscribers as the HLR has them; None: it has not. Raises CommandFailed."""
        commands = [vty.show(imsi) for imsi in imsis]
        answers = await vty.run(
            self.address, commands, password=self._access.password, enable=False, seconds=self._timeout
        )
        try:
            return {imsi: vty.read_subscriber(text, imsi) for imsi, text in zip(imsis, answers, strict=True)}
        except NotUnderstood as error:
            raise CommandFailed(f"The VTY of the HLR answers what is not understood: {error}") from error

    def note(self, imsi: str, found: Subscriber | None) -> SubscriberNote:
        """What the engine is told of a subscriber. One that the HLR has not can register nowhere."""
        if found is None:
            return SubscriberNote(imsi=imsi, groups=GROUPS, off=ALL_FUNCTIONS, idle=ALL_FUNCTIONS)
        idle = Function(0)
        for group, server, at in (
            (CIRCUIT, found.vlr, found.updated_circuit),
            (PACKET, found.sgsn, found.updated_packet),
        ):
            expired = self._period and at is not None and at + self._period < self._clock()
            if server is None or expired:
                idle |= group
        return SubscriberNote(
            imsi=imsi, groups=GROUPS, off=found.off, idle=idle, imei=found.imei, seen_at=found.updated_at
        )

    def report(self, message: str, notes: Iterable[SubscriberNote]) -> Report:
        """What we read from this HLR ourselves."""
        return Report(
            gateway_id=self._access.id,
            gateway_name=self._access.name,
            received_at=self._clock(),
            message=message,
            subscribers=tuple(notes),
            authentic=True,
        )

    def _of_access(self, imsi: str, shown: ctrl.SubscriberAccess | None) -> SubscriberNote:
        if shown is None:
            return self.note(imsi, None)
        idle = (Function(0) if shown.vlr else CIRCUIT) | (Function(0) if shown.sgsn else PACKET)
        return SubscriberNote(imsi=imsi, groups=GROUPS, off=shown.off, idle=idle)

    @property
    def _timeout(self) -> float:
        return self._services.command_timeout
