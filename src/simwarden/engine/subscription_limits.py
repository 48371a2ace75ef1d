"""How many subscriptions may be active at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import TooManySubscriptions

if TYPE_CHECKING:
    from simwarden.store.subscriptions import Active

NEAR = 1000
"""So far from a limit of an application or an account those who subscribe do not wait for each other: more than there
are transactions at the same time."""


class SubscriptionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many subscriptions may be active at the same time. The names are those of the settings."""

    subscriptions_per_app_and_sim: int = 20
    subscriptions_per_sim: int = 100
    subscriptions_per_app: int = 1_000_000
    subscriptions_per_account: int = 2_000_000
    subscriptions_to_all_devices: int = 10

    def check(self, active: Active, *, all_devices: bool = False) -> None:
        """Whether there may be one more, to all SIMs of the account or to one. Raises TooManySubscriptions."""
        if all_devices and active.sim >= self.subscriptions_to_all_devices:
            setting = "subscriptions_to_all_devices"
            text = f"At most {active.sim} subscriptions of this account to all its devices may be active ({setting})"
            raise TooManySubscriptions(text, setting)
        for count, setting, whose in (
            (active.app_and_sim, "subscriptions_per_app_and_sim", "of this application to this SIM"),
            (active.sim, "subscriptions_per_sim", "of this account to this SIM"),
            (active.app, "subscriptions_per_app", "of this application"),
            (active.account, "subscriptions_per_account", "of this account"),
        ):
            most: int = getattr(self, setting)
            if count >= most:
                text = f"At most {most} subscriptions {whose} may be active at the same time ({setting})"
                raise TooManySubscriptions(text, setting)

    def is_near(self, active: Active) -> bool:
        """Whether others who subscribe at the same time could exceed the limit of the application or the account."""
        left = min(self.subscriptions_per_app - active.app, self.subscriptions_per_account - active.account)
        return left <= NEAR
