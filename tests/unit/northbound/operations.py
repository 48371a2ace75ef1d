"""Operations in memory: accepted and kept, never done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.kit.ids import uuid7
from simwarden.store.operations import NewItem, Operation, OperationNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.command import Command
    from simwarden.domain.errors import TooManyOperations
    from simwarden.domain.events import Cause
    from simwarden.domain.usage import Usage
    from simwarden.engine.bulk_jobs import Listed
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.store.operations import Item


class OperationsInMemory:
    """BulkJobs, as far as the customer APIs know them."""

    def __init__(self) -> None:
        self.begun: dict[str, Operation] = {}
        self.listed: dict[str, Sequence[Listed]] = {}
        self.refusal: TooManyOperations | None = None

    def refuse_at_once(self, app_key: str) -> None:
        """Everybody, or nobody."""
        if self.refusal is not None:
            raise self.refusal

    async def begin(
        self,
        action: Command,
        sims: Sequence[Listed],
        cause: Cause,
        *,
        app_key: str,
        account_id: str | None,
        preview: bool,
        once: IdempotentRequest | None = None,
        usage: Usage | None = None,
    ) -> Operation:
        """Keep it."""
        assert not preview
        operation = Operation(
            id=str(uuid7(cause.at)),
            account_id=account_id,
            app_key=app_key,
            verb=action.verb,
            action=msgspec.to_builtins(action),
            cause=cause,
            filter=None,
            state="RUNNING",
            summary=None,
            created_at=cause.at,
            ready_at=None,
            confirmed_at=None,
            finished_at=None,
            expires_at=None,
            usage=usage,
            items=len(sims),
        )
        self.begun[operation.id], self.listed[operation.id] = operation, sims
        return operation

    async def get(self, operation_id: str, *, app_key: str | None = None) -> Operation:
        """One of the client's own."""
        found = self.begun.get(operation_id)
        if found is None or found.app_key != app_key:
            raise OperationNotFound
        return found

    async def items(self, operation_id: str) -> list[Item]:
        """None has ended."""
        raise AssertionError(operation_id)

    async def taken(self, names: Sequence[tuple[str, str]]) -> bool:
        """Those of an operation to add are."""
        wanted = dict(names)
        added = [item.data for items in self.listed.values() for item in items if isinstance(item, NewItem)]
        return any(data is not None and data.get("imsi") == wanted["imsi"] for data in added)

    async def outside(self, account_id: str, names: Sequence[tuple[str, str]]) -> bool:
        """Every number is the caller's own."""
        return False
