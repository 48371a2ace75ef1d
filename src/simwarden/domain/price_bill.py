"""A month's bill: from counts of calls and of SIMs, and a plan, to lines, discounts, taxes and totals.

All arithmetic is exact. Each line is rounded once, to the decimals of the currency, halves away from zero; every total
is the sum of the rounded amounts above it, so the parts of a bill always sum to the whole. A percentage (discount, tax)
is taken of such a total and rounded once. Counts are summed over the month before anything is priced: how the month was
divided when they were counted makes no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from operator import add

import msgspec

from simwarden.domain.price import CallPrice, Month, Per, PricePlan, SimPrice, SimService, Tier, TierMode, rounded


class CountedCalls(msgspec.Struct, frozen=True, rename="camel"):
    """Calls of one operation."""

    api: str
    operation: str
    count: int


class ServiceUse(msgspec.Struct, frozen=True, rename="camel"):
    """For how many SIMs a service was rendered in a month."""

    sim_days: int = 0
    """Each SIM counts on each day (UTC) of which it had the service for a moment."""
    sims: int = 0
    """SIMs that had it in the month."""
    new_in_year: int = 0
    """Of these, the ones that had it for the first time in the calendar year."""


class BillLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A line: quantity x price / per, rounded."""

    name: str
    detail: str = ""
    """What tells it from other lines of this name."""
    quantity: int
    unit: str
    price: Decimal
    """Of `per` units."""
    per: int = 1
    amount: Decimal


class Charged(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one of the plan's prices came to."""

    name: str
    quantity: int
    """Before anything is taken off."""
    unit: str
    free: int = 0
    """Of these, what was free."""
    calls: tuple[CountedCalls, ...] = ()
    """What the quantity is made of, where it is calls."""
    amount: Decimal


class BillTax(msgspec.Struct, frozen=True, rename="camel"):
    """A tax on the net total."""

    name: str
    percent: Decimal
    category: str
    base: Decimal
    amount: Decimal
    reason: str | None = None


class Bill(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a month costs."""

    month: str
    currency: str
    lines: tuple[BillLine, ...]
    """What is charged; then discounts, whose amounts are negative; then what is missing to the minimum."""
    charges: tuple[Charged, ...]
    """How the lines came about, price by price."""
    unpriced: tuple[CountedCalls, ...]
    """Calls for which the plan has no price."""
    charged: Decimal
    """Before discounts."""
    discount: Decimal
    net: Decimal
    """The sum of all lines."""
    taxes: tuple[BillTax, ...]
    tax: Decimal
    total: Decimal


def sum_of_calls(parts: Iterable[Iterable[CountedCalls]]) -> list[CountedCalls]:
    """The calls of several accounts, by operation."""
    counts: Counter[tuple[str, str]] = Counter()
    for part in parts:
        for each in part:
            counts[each.api, each.operation] += each.count
    return [CountedCalls(api, operation, count) for (api, operation), count in counts.items()]


def sum_of_services(parts: Iterable[Mapping[SimService, ServiceUse]]) -> dict[SimService, ServiceUse]:
    """What several accounts used."""
    found: dict[SimService, ServiceUse] = {}
    for part in parts:
        for service, use in part.items():
            before = msgspec.structs.astuple(found.get(service, ServiceUse()))
            found[service] = ServiceUse(*map(add, before, msgspec.structs.astuple(use)))
    return found


def make_bill(
    plan: PricePlan, month: Month, calls: Iterable[CountedCalls], services: Mapping[SimService, ServiceUse]
) -> Bill:
    """The bill of a month by a plan that `price.check` has let through."""
    decimals = plan.decimals
    zero = rounded(Fraction(0), decimals)
    lines: list[BillLine] = []
    charges: list[Charged] = []

    def charge(
        name: str, quantity: int, unit: str, free: int, made: list[BillLine], of: Iterable[CountedCalls] = ()
    ) -> None:
        lines.extend(made)
        amount = sum((line.amount for line in made), zero)
        charges.append(Charged(name=name, quantity=quantity, unit=unit, free=free, calls=tuple(of), amount=amount))

    for fixed in plan.fixed:
        line = _line(fixed.name, "", 1, "month", Decimal(fixed.price), 1, decimals)
        charge(fixed.name, 1, "month", 0, [line])
    by_price, unpriced = _by_price(plan.calls, calls)
    for price, items in zip(plan.calls, by_price, strict=True):
        quantity = sum(item.count for item in items)
        free = min(price.free, quantity)
        sold = -(-(quantity - free) // price.package)
        unit = "call" if price.package == 1 else f"package of {price.package} calls"
        charge(price.name, quantity, "call", free, _tiered(price, sold, 1, unit, decimals), items)
    for sims in plan.sims:
        quantity, unit, per = _sims(sims, services.get(sims.service, ServiceUse()), month)
        free = min(sims.free * per, quantity)
        charge(sims.name, quantity, unit, free, _tiered(sims, quantity - free, per, unit, decimals))
    charged = sum((line.amount for line in lines), zero)
    less = _discounts(plan, charged)
    lines += less
    discount = -sum((line.amount for line in less), zero)
    net = charged - discount
    if plan.minimum is not None and net < Decimal(plan.minimum):
        missing = Decimal(plan.minimum) - net
        lines.append(_line("Up to the minimum", f"of {plan.minimum} a month", 1, "month", missing, 1, decimals))
        net += lines[-1].amount
    taxes = tuple(
        BillTax(tax.name, Decimal(tax.percent), tax.category, net, _percent(tax.percent, net, decimals), tax.reason)
        for tax in plan.taxes
    )
    tax = sum((each.amount for each in taxes), zero)
    return Bill(
        month=str(month),
        currency=plan.currency,
        lines=tuple(lines),
        charges=tuple(charges),
        unpriced=tuple(unpriced),
        charged=charged,
        discount=discount,
        net=net,
        taxes=taxes,
        tax=tax,
        total=net + tax,
    )


def _by_price(
    prices: Iterable[CallPrice], calls: Iterable[CountedCalls]
) -> tuple[list[list[CountedCalls]], list[CountedCalls]]:
    """The calls that each price charges, and those that none does; each operation once."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in calls:
        counts[each.api, each.operation] += each.count
    found: list[tuple[CallPrice, list[CountedCalls]]] = [(price, []) for price in prices]
    rest: list[CountedCalls] = []
    for (api, operation), count in sorted(counts.items()):
        items = next((items for price, items in found if price.fits(api, operation)), rest)
        items.append(CountedCalls(api, operation, count))
    return [items for _, items in found], rest


def _sims(price: SimPrice, use: ServiceUse, month: Month) -> tuple[int, str, int]:
    """Quantity, its unit, and how many of these are one unit of the price."""
    if price.per is Per.SIM_DAY:
        return use.sim_days, "SIM-day", 1
    if price.prorated:
        return use.sim_days, "SIM-day", month.days if price.per is Per.MONTH else month.days_of_year
    return (use.sims if price.per is Per.MONTH else use.new_in_year), "SIM", 1


def _tiered(price: CallPrice | SimPrice, quantity: int, per: int, unit: str, decimals: int) -> list[BillLine]:
    """The lines of a quantity. Borders of tiers are in units of the price, of which each is `per` of the quantity."""
    made: list[BillLine] = []
    lower = 0
    for tier in price.tiers if quantity else ():
        upper = None if tier.up_to is None else tier.up_to * per
        last = upper is None or quantity <= upper
        if price.mode is TierMode.GRADUATED:
            part = quantity - lower if upper is None else min(quantity, upper) - lower
            made += _of_tier(price, tier, lower, upper, part, per, unit, decimals)
        elif last:
            made += _of_tier(price, tier, lower, upper, quantity, per, unit, decimals)
        if last:
            break
        lower = upper or 0
    return made


def _of_tier(
    price: CallPrice | SimPrice,
    tier: Tier,
    lower: int,
    upper: int | None,
    part: int,
    per: int,
    unit: str,
    decimals: int,
) -> list[BillLine]:
    detail = ""
    if len(price.tiers) > 1:
        end = "" if upper is None else f" to {upper // per:,}"
        detail = f"from {lower // per + 1:,}{end}" + (" SIMs" if per > 1 else "")
    made = []
    if tier.flat is not None:
        named = f"{detail}, flat".removeprefix(", ")
        made.append(_line(price.name, named, 1, "tier", Decimal(tier.flat), 1, decimals))
    if tier.flat is None or Decimal(tier.price):
        made.append(_line(price.name, detail, part, unit, Decimal(tier.price), per, decimals))
    return made


def _line(name: str, detail: str, quantity: int, unit: str, price: Decimal, per: int, decimals: int) -> BillLine:
    amount = rounded(Fraction(price) * quantity / per, decimals)
    return BillLine(name=name, detail=detail, quantity=quantity, unit=unit, price=price, per=per, amount=amount)


def _discounts(plan: PricePlan, charged: Decimal) -> list[BillLine]:
    """Percentages are of all that is charged, whatever comes off first; no more comes off than is charged."""
    made: list[BillLine] = []
    left = charged
    for discount in plan.discounts:
        if discount.over is not None and charged < Decimal(discount.over):
            continue
        if discount.percent is not None:
            off = _percent(discount.percent, charged, plan.decimals)
            detail = f"{Decimal(discount.percent).normalize():f} %"
        else:
            off, detail = rounded(Fraction(discount.amount or 0), plan.decimals), ""
        off = min(off, left)
        left -= off
        if off:
            made.append(
                BillLine(name=discount.name, detail=detail, quantity=1, unit="discount", price=-off, amount=-off)
            )
    return made


def _percent(percent: str, of: Decimal, decimals: int) -> Decimal:
    return rounded(Fraction(percent) * Fraction(of) / 100, decimals)
