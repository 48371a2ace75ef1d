"""SIM-days and SIMs of a month, counted from changes, against a list of every SIM."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from simwarden.domain.price import Month
from simwarden.domain.price_bill import ServiceUse
from simwarden.domain.service_days import ServiceDay, changes, use_of_month
from simwarden.domain.sim import AreaLimit, Binding, BindingKind, Learnt, Policy, Sim

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BINDING = Binding(BindingKind.IMEI, ("12345678901234",), Learnt.EXPLICIT, Policy(), NOW)
AREA = AreaLimit(Policy(), NOW)
FREE = Sim(bucket=1, imsi="460001234567890", account_id="a")


def told(before: Sim | None, after: Sim | None) -> list[tuple[str, str, bool]]:
    return [(each.account_id, str(each.service), each.begins) for each in changes(before, after)]


def test_what_a_sim_begins_and_ends_with() -> None:
    bound = msgspec.structs.replace(FREE, binding=BINDING)
    both = msgspec.structs.replace(bound, area=AREA)
    theirs = msgspec.structs.replace(both, account_id="b")
    assert told(FREE, bound) == [("a", "BINDING", True)]
    assert told(bound, both) == [("a", "AREA", True)]
    assert told(both, FREE) == [("a", "AREA", False), ("a", "BINDING", False)]
    assert told(None, bound) == [("a", "BINDING", True)]
    assert told(both, None) == [("a", "AREA", False), ("a", "BINDING", False)]
    assert told(bound, msgspec.structs.replace(bound, binding=msgspec.structs.replace(BINDING, since=NOW))) == []
    assert told(both, theirs) == [
        ("a", "AREA", False),
        ("a", "BINDING", False),
        ("b", "AREA", True),
        ("b", "BINDING", True),
    ]


FIRST = date(2026, 10, 20)
"""The year's first day here: the changes lie in the 100 days from then on."""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 100), max_size=6), max_size=5))
def test_the_counts_are_those_of_every_single_sim(histories: list[list[int]]) -> None:
    rows: list[ServiceDay] = []
    had: list[set[date]] = []
    for history in histories:
        days: set[date] = set()
        ended: date | None = None
        since: date | None = None
        for number in sorted(history):
            day = FIRST + timedelta(days=number)
            if since is None:
                new = [
                    ended is None or ended < begin for begin in (day, day.replace(day=1), day.replace(month=1, day=1))
                ]
                rows.append(ServiceDay(day, 1, *map(int, new)))
                since = day
            else:
                rows.append(ServiceDay(day, -1))
                days |= {since + timedelta(days=n) for n in range((day - since).days + 1)}
                since, ended = None, day
        if since is not None:
            days |= {since + timedelta(days=n) for n in range(200)}
        had.append(days)
    used_before: set[int] = set()
    for month in (Month(2026, 10), Month(2026, 11), Month(2026, 12), Month(2027, 1)):
        before = sum(row.change for row in rows if row.day < month.first)
        of_month = [row for row in rows if month.first <= row.day <= month.last]
        if month.number == 1:
            used_before = set()
        mine = {n: {day for day in days if Month.of(day) == month} for n, days in enumerate(had)}
        these = {n for n, days in mine.items() if days}
        assert use_of_month(month, month.last, before, of_month) == ServiceUse(
            sum(map(len, mine.values())), len(these), len(these - used_before)
        )
        used_before |= these
        some = month.first + timedelta(days=11)
        assert use_of_month(month, some, before, of_month).sim_days == sum(
            day <= some for days in mine.values() for day in days
        )
