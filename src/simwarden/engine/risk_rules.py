"""The rules of accounts: made, changed, switched on and off, removed; each change is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import IncompatibleState, ResourceNotFound, SimwardenError
from simwarden.domain.risk import RiskRule, StoredRule, check
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import uuid7
from simwarden.store import risk as store

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.store.database import Database
    from simwarden.store.risk import RuleVersion


class RuleNotFound(ResourceNotFound):
    """No rule has this name or id."""


class TooManyRules(SimwardenError):
    """The account has as many rules as it may."""

    status, code = 429, "QUOTA_EXCEEDED"


class RiskRules:
    """Reports go by a change from its commit on."""

    def __init__(self, db: Database, *, most: int = 50, clock: Callable[[], datetime] = now_utc) -> None:
        """`most`: rules of one account."""
        self._db = db
        self._most = most
        self._clock = clock

    async def add(self, account_id: str, name: str, rule: RiskRule, *, is_on: bool, by: str) -> StoredRule:
        """Add a rule. Raises InvalidRule, AlreadyExists, TooManyRules."""
        check(rule)
        now = self._clock()
        made = StoredRule(
            id=uuid7(now).hex,
            account_id=account_id,
            name=name,
            version=1,
            is_on=is_on,
            rule=rule,
            created_at=now,
            changed_at=now,
        )
        async with self._db.transaction() as connection:
            if await store.count_alone(connection, account_id) >= self._most:
                raise TooManyRules(f"An account has at most {self._most} rules (setting rules_per_account)")
            return await store.add(connection, made, by)

    async def get(self, name_or_id: str) -> StoredRule:
        """The rule with this id, or with this name if only one account has such.

        Raises RuleNotFound, IncompatibleState.
        """
        found = [] if "\x00" in name_or_id else await store.find(self._db, name_or_id)
        if not found:
            raise RuleNotFound(f"No rule has the name or id {name_or_id[:64]!r}")
        if len(found) > 1:
            raise IncompatibleState(f"Several accounts have a rule named {name_or_id!r}: name it by its id")
        return found[0]

    async def page(self, account_id: str | None, after: tuple[str, str], limit: int) -> list[StoredRule]:
        """Rules of one account or of all, by name."""
        return await store.page(self._db, account_id, after, limit)

    async def versions(self, rule_id: str) -> list[RuleVersion]:
        """What a rule was, oldest first."""
        return await store.versions(self._db, rule_id)

    async def change(
        self,
        before: StoredRule,
        *,
        name: str | None = None,
        rule: RiskRule | None = None,
        is_on: bool | None = None,
        by: str,
    ) -> StoredRule:
        """Change a rule as it was read. What it raised stays until its end.

        Raises InvalidRule, AlreadyExists, IncompatibleState when somebody else changed it meanwhile.
        """
        made = msgspec.structs.replace(
            before,
            name=before.name if name is None else name,
            rule=before.rule if rule is None else rule,
            is_on=before.is_on if is_on is None else is_on,
        )
        if made == before:
            return before
        check(made.rule)
        made = msgspec.structs.replace(made, version=before.version + 1, changed_at=self._clock())
        async with self._db.transaction() as connection:
            await store.hold(connection, before.account_id)
            changed = await store.change(connection, made, by)
        if changed is None:
            raise IncompatibleState("Somebody else changed or removed the rule meanwhile: read it again")
        return changed

    async def delete(self, rule: StoredRule, *, by: str) -> None:
        """Remove a rule. What it raised stays until its end."""
        async with self._db.transaction() as connection:
            await store.hold(connection, rule.account_id)
            await store.delete(connection, rule, self._clock(), by)
