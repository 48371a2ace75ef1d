"""May a data session of this SIM begin? Pure.

Asked after what the question itself shows was decided, so that bars say all that is known of device and place.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from simwarden.domain.decision import Verdict
from simwarden.domain.equipment import OF_LIST, EquipmentStatus
from simwarden.domain.rules.device import compare
from simwarden.domain.sim import BarCause, Function, Lifecycle, OnMismatch

if TYPE_CHECKING:
    from collections.abc import Collection

    from simwarden.domain.equipment import DeviceList
    from simwarden.domain.sim import Sim

UNKNOWN_SIM = "UNKNOWN_SIM"
"""Why a SIM is refused that is not registered, or not for who asks."""


class Refusal(enum.StrEnum):
    """Why a session may not begin, where no bar is the reason."""

    APN_CLOSED = "APN_CLOSED"
    """The customer closed this access point name."""
    NOT_ACTIVE = "NOT_ACTIVE"
    """The SIM's lifecycle: see its state."""
    DEVICE_LISTED = "DEVICE_LISTED"
    """The operator's lists keep its device out, with any SIM."""


def refusal(sim: Sim, apn: str | None, imei: str | None = None) -> str | None:
    """Why a data session of this SIM at this access point may not begin; None: it may.

    The cause of the oldest bar of data (BarCause), or a Refusal. `apn`: None where it is not known, which no closed
    access point name is compared with. `imei`: 14 digits of the device that asks, where that is known. A question whose
    sighting was older than one that counted already has raised no bar: a binding that does not allow the device refuses
    it all the same.
    """
    if sim.lifecycle is not Lifecycle.ACTIVE:
        return f"{Refusal.NOT_ACTIVE} {sim.lifecycle}"
    bars = [bar for bar in sim.bars if bar.functions & Function.DATA]
    if bars:
        return str(min(bars, key=lambda bar: (bar.since, bar.event)).cause)
    if imei is not None and _is_foreign(sim, imei):
        return str(BarCause.IMEI_MISMATCH)
    if apn is not None and any(closed.apn == apn for closed in sim.closed_apns):
        return f"{Refusal.APN_CLOSED} {apn}"
    return None


def _is_foreign(sim: Sim, imei: str) -> bool:
    """Whether a device is neither allowed nor the one that the SIM is known to be in, of which bars speak."""
    if sim.binding is None or not sim.binding.values or sim.binding.policy.on_mismatch is not OnMismatch.ENFORCE:
        return False
    known = sim.seen is not None and sim.seen.imei == imei
    return not known and compare(sim.binding, imei)[0] is Verdict.MISMATCH


def keeping_out(lists: Collection[DeviceList]) -> list[DeviceList]:
    """Of the lists that a device is on, those that keep it out of the network."""
    return [each for each, status in OF_LIST.items() if status is EquipmentStatus.BLACKLISTED and each in lists]


def refusal_of_device(lists: Collection[DeviceList]) -> str | None:
    """Why no data session may begin in a device that is on these lists, whichever SIM it is; None: one may."""
    found = keeping_out(lists)
    return f"{Refusal.DEVICE_LISTED} {found[0]}" if found else None
