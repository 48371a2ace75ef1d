"""Price plans: what calls and SIMs cost, as data.

A plan is valid for whole months (UTC). Amounts are texts of decimals, so that none is ever a binary fraction.
"""

from __future__ import annotations

import enum
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from simwarden.domain.currencies import DECIMALS
from simwarden.domain.errors import InvalidValue

Amount = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,8})?\Z")]
"""Not below zero; at most twelve digits before the point and eight behind it."""
Percent = Annotated[str, Meta(pattern=r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)\Z")]
"""From 0 to 100."""
Label = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._/-]+\Z")]
PlanName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
Units = Annotated[int, Meta(ge=0, le=10**15)]
MonthText = Annotated[str, Meta(pattern=r"^(20[0-9]{2})-(0[1-9]|1[0-2])\Z")]


class InvalidPlan(InvalidValue):
    """This is no plan by which can be charged."""


class Month(msgspec.Struct, frozen=True, order=True):
    """A calendar month in UTC, for which is charged."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """From `2026-11`, years 2000 to 2099. Raises InvalidValue."""
        try:
            msgspec.convert(text, MonthText)
        except msgspec.ValidationError as error:
            raise InvalidValue("A month is written as 2026-11") from error
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def of(cls, day: date) -> Month:
        """The month of a day."""
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.next.first - timedelta(days=1)

    @property
    def next(self) -> Month:
        """The month behind it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def days(self) -> int:
        """How many days it has."""
        return self.last.day

    @property
    def days_of_year(self) -> int:
        """How many days its year has."""
        return (date(self.year + 1, 1, 1) - date(self.year, 1, 1)).days

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"


class SimService(enum.StrEnum):
    """What is done for a SIM as long as it lasts."""

    BINDING = "BINDING"
    """The SIM has a binding, also one that is ARMED."""
    AREA = "AREA"
    """The SIM has an area limit."""


class TierMode(enum.StrEnum):
    """How tiers are meant."""

    GRADUATED = "graduated"
    """Each unit has the price of the tier that it falls into."""
    VOLUME = "volume"
    """All units have the price of the tier that the last one falls into."""


class Per(enum.StrEnum):
    """For what a SIM is charged."""

    MONTH = "month"
    YEAR = "year"
    SIM_DAY = "simDay"


class _Plain(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """As plans are written."""


class Tier(_Plain, frozen=True, kw_only=True):
    """A range of units, from behind the tier before."""

    up_to: Annotated[int, Meta(ge=1, le=10**15)] | None = None
    """The last unit of it; left out in the last tier, which has no end."""
    price: Amount = "0"
    """Of a unit."""
    flat: Amount | None = None
    """Charged once as soon as a unit falls into the tier."""


Tiers = Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=50)]


class CallPrice(_Plain, frozen=True, kw_only=True):
    """What calls cost. A call is charged by the first of a plan's prices that it fits."""

    name: Label
    api: Name | None = None
    """As the usage ledger names it; left out: every API."""
    operations: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    """operationIds as the usage ledger names them; none: all."""
    mode: TierMode = TierMode.GRADUATED
    free: Units = 0
    """Calls of a month that cost nothing, and do not count for the tiers."""
    package: Annotated[int, Meta(ge=1, le=10**9)] = 1
    """Calls are sold in packages of so many, begun ones whole; tiers count packages."""
    tiers: Tiers

    def fits(self, api: str, operation: str) -> bool:
        """Whether it is the price of this operation."""
        return self.api in (None, api) and (not self.operations or operation in self.operations)


class SimPrice(_Plain, frozen=True, kw_only=True):
    """What it costs that a SIM has a binding, or an area limit."""

    name: Label
    service: SimService
    per: Per = Per.MONTH
    prorated: bool = True
    """By days, of `month` and `year`; else each SIM counts whole, once a month or once a year."""
    mode: TierMode = TierMode.GRADUATED
    free: Units = 0
    """SIMs (of `simDay`: SIM-days) of a month that cost nothing."""
    tiers: Tiers


class FixedPrice(_Plain, frozen=True, kw_only=True):
    """Charged every month."""

    name: Label
    price: Amount


class Discount(_Plain, frozen=True, kw_only=True):
    """Taken off what is charged: a percentage of all of it, or an amount."""

    name: Label
    percent: Percent | None = None
    amount: Amount | None = None
    over: Amount | None = None
    """Only when so much is charged at least."""


class Tax(_Plain, frozen=True, kw_only=True):
    """Added to the net total."""

    name: Label
    percent: Percent
    category: Annotated[str, Meta(pattern=r"^(S|Z|E|O|AE|G|K)\Z")] = "S"
    """UNCL 5305, as UBL wants it."""
    reason: Label | None = None
    """Why nothing is charged, where the percentage is 0."""


_MANY = Meta(max_length=200)


class PricePlan(_Plain, frozen=True, kw_only=True):
    """Prices, as they are valid from a month on."""

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
    """ISO 4217."""
    title: Label | None = None
    fixed: Annotated[tuple[FixedPrice, ...], _MANY] = ()
    calls: Annotated[tuple[CallPrice, ...], _MANY] = ()
    sims: Annotated[tuple[SimPrice, ...], _MANY] = ()
    discounts: Annotated[tuple[Discount, ...], _MANY] = ()
    minimum: Amount | None = None
    """The net total is at least this."""
    taxes: Annotated[tuple[Tax, ...], Meta(max_length=10)] = ()
    due_days: Annotated[int, Meta(ge=0, le=365)] = 30
    """Days after which an invoice is due."""

    @property
    def decimals(self) -> int:
        """Of its amounts."""
        return DECIMALS[self.currency]


def check(plan: PricePlan) -> PricePlan:
    """The same plan. Raises InvalidPlan when no bill can be made of it, saying why."""
    if plan.currency not in DECIMALS:
        raise InvalidPlan(f"ISO 4217 has no currency {plan.currency}")
    tiered: tuple[CallPrice | SimPrice, ...] = (*plan.calls, *plan.sims)
    for price in tiered:
        ends = [tier.up_to for tier in price.tiers]
        inner = [end for end in ends[:-1] if end is not None]
        if ends[-1] is not None or len(inner) != len(ends) - 1:
            raise InvalidPlan(f"{price.name}: each tier but the last one has upTo, and the last one has none")
        if any(upper <= lower for lower, upper in pairwise(inner)):
            raise InvalidPlan(f"{price.name}: upTo must rise from tier to tier")
    for sims in plan.sims:
        if sims.per is Per.SIM_DAY and not sims.prorated:
            raise InvalidPlan(f"{sims.name}: SIM-days are days, prorated cannot be false")
    for discount in plan.discounts:
        if (discount.percent is None) == (discount.amount is None):
            raise InvalidPlan(f"{discount.name}: a discount has either percent or amount")
    for amount in (plan.minimum, *(each.price for each in plan.fixed), *(each.amount for each in plan.discounts)):
        if amount is not None and rounded(Fraction(amount), plan.decimals) != Decimal(amount):
            raise InvalidPlan(f"{amount} has more decimals than {plan.currency}, which has {plan.decimals}")
    return plan


def rounded(value: Fraction, decimals: int) -> Decimal:
    """To so many decimals, halves away from zero (commercial rounding)."""
    scaled = abs(value) * 10**decimals
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(units if value >= 0 else -units).scaleb(-decimals)
