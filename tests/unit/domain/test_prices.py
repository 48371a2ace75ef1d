"""Plans and the bills that come of them: tiers at their borders, proration, discounts, taxes, exactness."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simwarden.domain.currencies import DECIMALS
from simwarden.domain.errors import InvalidValue
from simwarden.domain.price import InvalidPlan, Month, PricePlan, SimService, check, rounded
from simwarden.domain.price_bill import Bill, CountedCalls, ServiceUse, make_bill

NOVEMBER = Month(2026, 11)
CHEAP = settings(max_examples=40, deadline=None)


def plan(currency: str = "CNY", **prices: Any) -> PricePlan:
    return check(msgspec.convert({"currency": currency, **prices}, PricePlan))


def bill(made: PricePlan, calls: int = 0, use: ServiceUse | None = None, *, month: Month = NOVEMBER) -> Bill:
    counted = [CountedCalls("fraud", "query", calls)] if calls else []
    return make_bill(made, month, counted, {} if use is None else {SimService.BINDING: use})


TIERS = [{"upTo": 1000, "price": "0.10"}, {"upTo": 10000, "price": "0.05"}, {"price": "0.02"}]


@pytest.mark.parametrize(
    ("mode", "calls", "total"),
    [
        ("graduated", 0, "0.00"),
        ("graduated", 1, "0.10"),
        ("graduated", 1000, "100.00"),
        ("graduated", 1001, "100.05"),
        ("graduated", 10_000, "550.00"),
        ("graduated", 10_001, "550.02"),
        ("graduated", 20_000_000, "400350.00"),
        ("volume", 0, "0.00"),
        ("volume", 1000, "100.00"),
        ("volume", 1001, "50.05"),
        ("volume", 10_000, "500.00"),
        ("volume", 10_001, "200.02"),
    ],
)
def test_tiers_at_their_borders(mode: str, calls: int, total: str) -> None:
    made = bill(plan(calls=[{"name": "Calls", "mode": mode, "tiers": TIERS}]), calls)
    assert made.total == Decimal(total)
    assert str(made.total) == total


def test_a_free_allowance_comes_off_before_the_tiers() -> None:
    priced = plan(calls=[{"name": "Calls", "free": 500, "tiers": TIERS}])
    assert bill(priced, 500).lines == ()
    assert bill(priced, 1500).total == Decimal("100.00")
    assert bill(priced, 1501).charges[0].free == 500
    assert bill(priced, 1501).total == Decimal("100.05")


def test_begun_packages_count_whole_and_flat_fees_once() -> None:
    packages = plan(calls=[{"name": "Calls", "package": 1000, "tiers": [{"price": "3.00"}]}])
    assert [bill(packages, calls).total for calls in (0, 1, 1000, 1001)] == [0, 3, 3, 6]
    flat = plan(calls=[{"name": "Calls", "tiers": [{"upTo": 1000, "flat": "50.00"}, {"price": "0.01"}]}])
    assert [bill(flat, calls).total for calls in (0, 1, 1000, 1001)] == [0, 50, 50, Decimal("50.01")]


def test_a_call_is_charged_by_the_first_price_that_fits_and_by_no_other() -> None:
    priced = plan(
        calls=[
            {"name": "Binding", "api": "fraud", "operations": ["bind", "unbind"], "tiers": [{"price": "1"}]},
            {"name": "Fraud", "api": "fraud", "tiers": [{"price": "0.1"}]},
        ]
    )
    calls = [CountedCalls("fraud", name, 10) for name in ("bind", "query", "unbind", "query")]
    made = make_bill(priced, NOVEMBER, [*calls, CountedCalls("sms", "sendSms", 7)], {})
    assert [(each.name, each.quantity, each.amount) for each in made.charges] == [
        ("Binding", 20, Decimal("20.00")),
        ("Fraud", 20, Decimal("2.00")),
    ]
    assert made.unpriced == (CountedCalls("sms", "sendSms", 7),)


@pytest.mark.parametrize(
    ("price", "use", "month", "total"),
    [
        ({"per": "month"}, ServiceUse(300, 20, 0), NOVEMBER, "30.00"),  # 300 SIM-days are 10 SIM-months of 3.00
        ({"per": "month"}, ServiceUse(310, 20, 0), Month(2026, 12), "30.00"),
        ({"per": "month", "prorated": False}, ServiceUse(300, 20, 0), NOVEMBER, "60.00"),
        ({"per": "year"}, ServiceUse(365, 1, 1), NOVEMBER, "3.00"),
        ({"per": "year"}, ServiceUse(366, 1, 1), Month(2028, 2), "3.00"),
        ({"per": "year", "prorated": False}, ServiceUse(300, 20, 4), NOVEMBER, "12.00"),
        ({"per": "simDay"}, ServiceUse(300, 20, 4), NOVEMBER, "900.00"),
        ({"per": "month", "free": 4}, ServiceUse(300, 20, 4), NOVEMBER, "18.00"),
        ({"per": "month"}, ServiceUse(1, 1, 1), NOVEMBER, "0.10"),
    ],
)
def test_sims_are_charged_by_month_year_or_day(price: Any, use: ServiceUse, month: Month, total: str) -> None:
    priced = plan(sims=[{"name": "Bound SIMs", "service": "BINDING", "tiers": [{"price": "3.00"}], **price}])
    assert bill(priced, use=use, month=month).total == Decimal(total)


def test_the_tiers_of_prorated_months_are_in_sims() -> None:
    tiers = [{"upTo": 10, "price": "3.00"}, {"price": "1.50"}]
    priced = plan(sims=[{"name": "Bound SIMs", "service": "BINDING", "tiers": tiers}])
    made = bill(priced, use=ServiceUse(330, 20, 4))
    assert [(line.quantity, line.price, line.per, line.amount) for line in made.lines] == [
        (300, Decimal("3.00"), 30, Decimal("30.00")),
        (30, Decimal("1.50"), 30, Decimal("1.50")),
    ]


def test_discounts_then_the_minimum_then_taxes() -> None:
    priced = plan(
        fixed=[{"name": "Platform", "price": "100.00"}],
        calls=[{"name": "Calls", "tiers": [{"price": "0.01"}]}],
        discounts=[
            {"name": "Partner", "percent": "10"},
            {"name": "Large", "percent": "5", "over": "200.00"},
            {"name": "Voucher", "amount": "20.00"},
        ],
        minimum="90.00",
        taxes=[{"name": "VAT", "percent": "6"}, {"name": "Local", "percent": "0.5"}],
    )
    small = bill(priced, 1)
    assert (small.charged, small.discount, small.net) == (Decimal("100.01"), Decimal("30.00"), Decimal("90.00"))
    assert small.lines[-1].amount == Decimal("19.99")
    assert [tax.amount for tax in small.taxes] == [Decimal("5.40"), Decimal("0.45")]
    assert small.total == Decimal("95.85")
    large = bill(priced, 10_000)
    assert (large.charged, large.discount, large.net) == (Decimal("200.00"), Decimal("50.00"), Decimal("150.00"))


def test_no_more_is_taken_off_than_is_charged() -> None:
    made = bill(plan(fixed=[{"name": "A", "price": "5.00"}], discounts=[{"name": "B", "amount": "9.00"}]))
    assert (made.discount, made.net, made.total) == (Decimal("5.00"), Decimal("0.00"), Decimal("0.00"))


@pytest.mark.parametrize(
    ("value", "decimals", "is_"),
    [("0.005", 2, "0.01"), ("-0.005", 2, "-0.01"), ("0.0049", 2, "0.00"), ("2.5", 0, "3"), ("1.0005", 3, "1.001")],
)
def test_halves_are_rounded_away_from_zero(value: str, decimals: int, is_: str) -> None:
    assert str(rounded(Fraction(value), decimals)) == is_


@pytest.mark.parametrize(("currency", "total"), [("JPY", "1"), ("CNY", "0.50"), ("KWD", "0.500"), ("CLF", "0.5000")])
def test_amounts_have_the_decimals_of_their_currency(currency: str, total: str) -> None:
    assert str(bill(plan(currency, calls=[{"name": "Calls", "tiers": [{"price": "0.5"}]}]), 1).total) == total


def test_currencies_are_those_of_iso_4217() -> None:
    assert {code: DECIMALS[code] for code in ("CNY", "EUR", "USD", "JPY", "BHD", "CLF", "ISK")} == {
        **dict.fromkeys(("CNY", "EUR", "USD"), 2),
        "JPY": 0,
        "BHD": 3,
        "CLF": 4,
        "ISK": 0,
    }
    assert all(len(code) == 3 and code.isupper() for code in DECIMALS)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"currency": "XXX"}, "no currency"),
        ({"calls": [{"name": "A", "tiers": [{"upTo": 5, "price": "1"}]}]}, "the last one has none"),
        ({"calls": [{"name": "A", "tiers": [{"price": "1"}, {"price": "1"}]}]}, "upTo"),
        ({"calls": [{"name": "A", "tiers": [{"upTo": 5}, {"upTo": 5}, {"price": "1"}]}]}, "must rise"),
        ({"sims": [{"name": "A", "service": "AREA", "per": "simDay", "prorated": False, "tiers": [{}]}]}, "prorated"),
        ({"discounts": [{"name": "A"}]}, "either percent or amount"),
        ({"discounts": [{"name": "A", "percent": "1", "amount": "1"}]}, "either percent or amount"),
        ({"minimum": "0.001"}, "more decimals"),
        ({"currency": "JPY", "fixed": [{"name": "A", "price": "1.5"}]}, "more decimals"),
    ],
)
def test_plans_by_which_nothing_can_be_charged_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidPlan, match=says):
        plan(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fixed": [{"name": "A", "price": "-1"}]},
        {"fixed": [{"name": "A", "price": 1.5}]},
        {"fixed": [{"name": "A", "price": "1e9"}]},
        {"taxes": [{"name": "A", "percent": "101"}]},
        {"calls": [{"name": "A", "tiers": []}]},
        {"calls": [{"name": "A", "free": -1, "tiers": [{}]}]},
        {"calls": [{"name": "A\x00", "tiers": [{}]}]},
        {"surprise": 1},
    ],
)
def test_what_is_no_plan_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        plan(**wrong)


def test_months() -> None:
    assert [str(Month(2026, 12).next), Month(2028, 2).days, Month(2028, 2).days_of_year] == ["2027-01", 29, 366]
    assert Month.parse("2026-02").last == date(2026, 2, 28)
    for text in ("2026-13", "2026-1", "1999-01", "2026-01-01", "2026-01\n", ""):
        with pytest.raises(InvalidValue):
            Month.parse(text)


# Any plan and any month.

PRICES = st.sampled_from(["0", "0.001", "0.0333", "0.1", "1", "7.77"])
ENDS = st.lists(st.integers(1, 300), max_size=3, unique=True).map(sorted)


@st.composite
def tiers(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"upTo": end, "price": draw(PRICES)} for end in draw(ENDS)]
    found.append({"price": draw(PRICES)})
    for tier in found:
        if draw(st.booleans()):
            tier["flat"] = draw(PRICES)
    return found


@st.composite
def plans(draw: st.DrawFn, modes: tuple[str, ...] = ("graduated", "volume")) -> PricePlan:
    calls = [
        {
            "name": name,
            "operations": [name],
            "free": draw(st.integers(0, 20)),
            "package": draw(st.sampled_from([1, 7])),
            "mode": draw(st.sampled_from(modes)),
            "tiers": draw(tiers()),
        }
        for name in ("a", "b")
    ]
    per = draw(st.sampled_from(["month", "year", "simDay"]))
    sims = {"name": "s", "service": "BINDING", "per": per, "mode": draw(st.sampled_from(modes)), "tiers": draw(tiers())}
    return plan(
        draw(st.sampled_from(["CNY", "JPY", "KWD"])),
        calls=calls,
        sims=[sims],
        discounts=[{"name": "d", "percent": draw(st.sampled_from(["0", "3.3333", "50", "100"]))}],
        minimum=draw(st.sampled_from([None, "13"])),
        taxes=[{"name": "t", "percent": draw(st.sampled_from(["0", "6", "19.5"]))}],
    )


COUNTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 200)), max_size=8)


@CHEAP
@given(plans(), COUNTS, st.integers(0, 900))
def test_the_parts_sum_to_the_whole(priced: PricePlan, counts: list[tuple[str, int]], sim_days: int) -> None:
    calls = [CountedCalls("api", name, count) for name, count in counts]
    made = make_bill(priced, NOVEMBER, calls, {SimService.BINDING: ServiceUse(sim_days, sim_days // 9, 1)})
    assert sum(line.amount for line in made.lines) == made.net
    assert sum(each.amount for each in made.charges) == made.charged
    assert made.net >= made.charged - made.discount >= 0
    assert made.net + made.tax == made.total == made.net + sum(tax.amount for tax in made.taxes)
    priced_calls = sum(each.count for charge in made.charges for each in charge.calls)
    assert priced_calls + sum(each.count for each in made.unpriced) == sum(count for _, count in counts)
    for line in made.lines:
        exact = Fraction(line.price) * line.quantity / line.per
        assert line.amount == rounded(exact, priced.decimals)
        assert line.amount.as_tuple().exponent == -priced.decimals


@CHEAP
@given(plans(), COUNTS, st.randoms(use_true_random=False))
def test_any_split_of_the_month_gives_the_same_bill(
    priced: PricePlan, counts: list[tuple[str, int]], chance: Any
) -> None:
    split = []
    for name, count in counts:
        part = chance.randint(0, count)
        split += [CountedCalls("api", name, part), CountedCalls("api", name, count - part)]
    chance.shuffle(split)
    whole = [CountedCalls("api", name, count) for name, count in counts if count]
    parts = [each for each in split if each.count]
    assert make_bill(priced, NOVEMBER, parts, {}) == make_bill(priced, NOVEMBER, whole, {})


@CHEAP
@given(plans(modes=("graduated",)), st.integers(0, 400), st.integers(0, 100), st.integers(0, 900))
def test_more_never_costs_less_where_tiers_are_graduated(priced: PricePlan, calls: int, more: int, days: int) -> None:
    def total(count: int, sim_days: int) -> Decimal:
        use = {SimService.BINDING: ServiceUse(sim_days, 0, 0)}
        return make_bill(priced, NOVEMBER, [CountedCalls("api", "a", count)], use).total

    assert total(calls, days) <= total(calls + more, days) <= total(calls + more, days + more)
