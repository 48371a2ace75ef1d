"""The worked example of docs/billing.md is what the plan there makes of these counts."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import msgspec

from simwarden.domain.price import Month, PricePlan, SimService, check
from simwarden.domain.price_bill import CountedCalls, ServiceUse, make_bill

PAGE = (Path(__file__).parents[3] / "docs" / "billing.md").read_text(encoding="utf-8")


def test_the_example_is_right() -> None:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    plan = check(msgspec.json.decode(found[1], type=PricePlan))
    days = 150_000 * 31 + 31_000
    bill = make_bill(
        plan,
        Month(2026, 10),
        [CountedCalls("iot-sim-fraud-prevention", "bind", 12_010_000)],
        {SimService.BINDING: ServiceUse(days, 181_000, 0)},
    )
    amounts = [
        Decimal(row.rsplit("|", 2)[1].strip(" *").replace(",", ""))
        for row in PAGE.splitlines()
        if row.startswith("| ") and row.rsplit("|", 2)[1].strip(" *").replace(",", "").lstrip("-")[:1].isdigit()
    ]
    assert amounts == [*(line.amount for line in bill.lines), bill.net, bill.tax, bill.total]
