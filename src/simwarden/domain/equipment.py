"""Whether a device may use the network: the verdict of an equipment identity register (3GPP TS 29.511). Pure.

Two things decide: the operator's lists of devices, and the binding of the SIM that asks in the device.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from simwarden.domain.decision import Decision, Verdict
from simwarden.domain.errors import InvalidValue
from simwarden.domain.sim import BarCause


class EquipmentStatus(enum.StrEnum):
    """What the network is told of a device (TS 29.511 6.1.6.3.3; the same words as TS 29.272 7.3.51)."""

    WHITELISTED = "WHITELISTED"
    """It may be used."""
    GREYLISTED = "GREYLISTED"
    """It may be used, and the network keeps an eye on it."""
    BLACKLISTED = "BLACKLISTED"
    """It may not be used: the network rejects the registration with "illegal ME"."""
    UNKNOWN = "UNKNOWN"
    """The register does not know it; an answer of its own (404 ERROR_EQUIPMENT_UNKNOWN, Diameter 5422)."""


class DeviceList(enum.StrEnum):
    """The lists that an operator keeps of devices."""

    STOLEN = "STOLEN"
    BLOCKED = "BLOCKED"
    TRACKED = "TRACKED"
    ALLOWED = "ALLOWED"
    """Known, where devices that are on no list are not let in."""


OF_LIST: Mapping[DeviceList, EquipmentStatus] = MappingProxyType(
    {
        DeviceList.STOLEN: EquipmentStatus.BLACKLISTED,
        DeviceList.BLOCKED: EquipmentStatus.BLACKLISTED,
        DeviceList.TRACKED: EquipmentStatus.GREYLISTED,
        DeviceList.ALLOWED: EquipmentStatus.WHITELISTED,
    }
)
"""What a list makes of its devices; the first of a device's lists, in this order, counts."""
_Tac = Annotated[str, Meta(pattern=r"^[0-9]{8}\Z")]
_Words = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f]*\Z")]


class InvalidListing(InvalidValue):
    """This names no device, or more than one way to name some."""


class ListedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """An entry of a list: one device, or all of consecutive models."""

    list: DeviceList
    imei: Annotated[str, Meta(pattern=r"^[0-9]{14,16}\Z")] | None = None
    """What counts are the first 14 digits."""
    tac: _Tac | None = None
    """The first, or only, type allocation code."""
    tac_last: _Tac | None = None
    reason: _Words | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    """Since when the device is stolen, or whatever the list says of it; None: not known."""
    source: _Words | None = None
    """Who said so: a police report, another operator, the GSMA's device registry."""

    def __post_init__(self) -> None:
        """Raises InvalidListing."""
        if (self.imei is None) == (self.tac is None):
            raise InvalidListing("Name a device by its imei, or models by tac")
        if self.imei is not None and not self.imei[:14].strip("0"):
            raise InvalidListing("An IMEI of zeros identifies no device")
        if self.tac_last is not None and (self.tac is None or self.tac_last < self.tac):
            raise InvalidListing("tacLast is the last of the models that begin with tac")

    @property
    def value(self) -> str:
        """How it is named in its list: 14 digits, or the TACs that a range begins and ends with."""
        if self.imei is not None:
            return self.imei[:14]
        return f"{self.tac}-{self.tac_last or self.tac}"


def listed(lists: Collection[DeviceList], otherwise: EquipmentStatus) -> EquipmentStatus:
    """What the lists that a device is on say of it; `otherwise`: what is said of one on no list."""
    return next((status for name, status in OF_LIST.items() if name in lists), otherwise)


def judge(by_lists: EquipmentStatus, decision: Decision | None, mismatch: EquipmentStatus) -> EquipmentStatus:
    """The verdict on a device in which a SIM asks to be let in: the stricter of what its lists and the binding say.

    `decision`: what the sighting of the SIM in this device leads to; None: the SIM is not ours, or none is named.
    `mismatch`: what becomes of a device that the binding bars its SIM in. Where the binding only alerts, a wrong device
    is greylisted.
    """
    if decision is None:
        return by_lists
    by_binding = EquipmentStatus.WHITELISTED
    if decision.sim.bar(BarCause.IMEI_MISMATCH) is not None:
        by_binding = mismatch
    elif decision.verdict is Verdict.MISMATCH:
        by_binding = EquipmentStatus.GREYLISTED
    return max(by_lists, by_binding, key=_STRICTNESS.index)


_STRICTNESS = (
    EquipmentStatus.WHITELISTED,
    EquipmentStatus.GREYLISTED,
    EquipmentStatus.UNKNOWN,
    EquipmentStatus.BLACKLISTED,
)
