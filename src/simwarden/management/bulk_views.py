"""Operations on many SIMs, as the management API shows them. Property names are those of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.engine.bulk_jobs import confirm_token
from simwarden.management.shapes import Camel

if TYPE_CHECKING:
    from simwarden.store.operations import Operation


class Counts(Camel, frozen=True):
    """Counts."""

    total: int
    requested: int
    """Would change (while previewed), are yet to be done (while running), were left undone (when cancelled)."""
    done: int
    unchanged: int
    refused: int


class Reason(Camel, frozen=True):
    """Reason."""

    status: str
    count: int
    samples: list[Any]
    code: str | None = None
    reason: str | None = None


class OperationView(Camel, frozen=True):
    """Operation."""

    id: str
    action: str
    description: str
    state: str
    requested_by: str
    created_at: datetime
    counts: Counts
    account: str | None = None
    filter: dict[str, Any] | None = None
    reasons: list[Reason] | None = None
    confirm_token: str | None = None
    ready_at: datetime | None = None
    confirmed_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None


def operation(found: Operation) -> OperationView:
    """An operation, with the token that confirms it while it can be."""
    return OperationView(
        id=found.id,
        action=found.verb,
        description=found.cause.message or found.verb,
        state=found.state,
        requested_by=found.app_key,
        created_at=found.created_at,
        counts=Counts(
            total=found.items,
            requested=found.left,
            done=found.done,
            unchanged=found.unchanged,
            refused=found.refused,
        ),
        account=found.account_id,
        filter=found.filter,
        reasons=None if found.summary is None else msgspec.convert(found.summary, list[Reason]),
        confirm_token=confirm_token(found) if found.state == "READY" else None,
        ready_at=found.ready_at,
        confirmed_at=found.confirmed_at,
        finished_at=found.finished_at,
        expires_at=found.expires_at,
    )
