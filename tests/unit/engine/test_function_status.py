"""What becomes of a function where a SIM is at several elements."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from simwarden.domain.attachment import Attachment, AttachmentStatus
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, Function, NetworkTarget, Sim
from simwarden.engine.function_status import function_views

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMSI = "460000990000001"
APPLIED, PENDING, FAILED = AttachmentStatus.APPLIED, AttachmentStatus.PENDING, AttachmentStatus.FAILED
CIRCUIT = Function.VOICE | Function.SMS
GROUPS = {"slot": (ALL_FUNCTIONS,), "nas": (Function.DATA,), "hlr": (CIRCUIT, Function.DATA)}


def at(kind: str, off: Function, status: AttachmentStatus = APPLIED, *, lingering: int = 0) -> Attachment:
    """A SIM of which `off` is to be off, at an element that did as it can."""
    made = Attachment(
        target=NetworkTarget(len(kind), "1.01" if kind == "slot" else IMSI),
        groups=GROUPS[kind],
        current=True,
        desired=int(off),
        applied=0,
        status=status,
        since=NOW,
        held=0 if kind == "hlr" else None,
    )
    held = int(made.wanted) if kind == "hlr" else None
    return msgspec.structs.replace(made, applied=int(made.wanted), held=held, lingering=lingering)


def enforcement(off: Function, *items: Attachment) -> dict[str, str | None]:
    bars = (Bar(BarCause.CLOSED_BY_CUSTOMER, int(off), NOW, 1),) if off else ()
    views = function_views(Sim(bucket=1, imsi=IMSI, account_id="acme", bars=bars), items, {})
    return {view.function: view.enforcement and str(view.enforcement) for view in views}


def test_what_one_element_cannot_tell_apart_another_one_can() -> None:
    found = enforcement(Function.DATA, at("slot", Function.DATA), at("nas", Function.DATA))
    assert found == {"VOICE": "APPLIED", "SMS": "APPLIED", "DATA": "APPLIED"}


def test_what_none_can_tell_apart_still_works() -> None:
    assert (
        enforcement(Function.VOICE, at("slot", Function.VOICE), at("hlr", Function.VOICE))["VOICE"] == "NOT_SEPARABLE"
    )


@pytest.mark.parametrize(("one", "other", "together"), [(FAILED, PENDING, "FAILED"), (PENDING, APPLIED, "PENDING")])
def test_one_element_that_lets_it_through_is_enough(
    one: AttachmentStatus, other: AttachmentStatus, together: str
) -> None:
    off = Function.DATA
    assert enforcement(off, at("nas", off, one), at("slot", ALL_FUNCTIONS, other))["DATA"] == together


def test_what_goes_on_at_an_hlr_is_pending_and_the_rest_is_off() -> None:
    found = enforcement(ALL_FUNCTIONS, at("hlr", ALL_FUNCTIONS, PENDING, lingering=int(CIRCUIT)))
    assert found == {"VOICE": "PENDING", "SMS": "PENDING", "DATA": "APPLIED"}
