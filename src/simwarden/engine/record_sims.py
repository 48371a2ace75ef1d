"""Whose a record is that names no IMSI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.sim import CardSlot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.sim import NetworkTarget

R = TypeVar("R", bound=SmsRecord | CallRecord)


def with_sim(
    record: R, gateway_id: int, there: Mapping[NetworkTarget, tuple[str, str | None]], imsis: Mapping[str, str]
) -> R:
    """Fill in the SIM of a record without an IMSI: the one with its ICCID, else the one last reported in that slot."""
    if record.imsi is not None:
        return record
    imsi = None if record.iccid is None else imsis.get(record.iccid)
    if imsi is None and record.port is not None:
        known = there.get(CardSlot(gateway_id, record.port, record.slot or 0).target)
        if known is not None and (record.iccid is None or known[1] in (None, record.iccid)):
            imsi = known[0]
    return record if imsi is None else msgspec.structs.replace(record, imsi=imsi)
