"""Bills and plans as the APIs show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from simwarden.billing.bills import AccountBill
    from simwarden.store.plans import PlanVersion


def bill(found: AccountBill) -> dict[str, Any]:
    """Bill."""
    return {
        "account": found.account_id,
        "plan": found.plan.name,
        "at": found.at,
        "final": found.is_final,
        "timeZone": "UTC",
        **msgspec.to_builtins(found.bill),
    }


def version(found: PlanVersion) -> dict[str, Any]:
    """PlanVersion."""
    shown = {"name": found.name, "validFrom": str(found.valid_from), "plan": msgspec.to_builtins(found.plan)}
    return shown | {"createdAt": found.created_at}
