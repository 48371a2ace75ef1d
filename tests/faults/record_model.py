"""What must be so of records after a round, said independently of the product: plain facts in, complaints out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from tests.faults.model import Complaint, never

DayKey = tuple[str, str, str, str]
"""IMSI, kind (SMS, CALL), direction, country."""


class Told(msgspec.Struct, frozen=True):
    """A report that names a SIM was acknowledged: a message, or how far a call has come."""

    imsi: str
    direction: str
    peer: str
    country: str
    text: str = ""
    """Of a message; empty for a call."""
    call: str = ""
    answer: int = 0
    end: int = 0
    """Of a call, epoch seconds; 0: not yet."""


def days(told: Iterable[Told]) -> tuple[Counter[DayKey], Counter[DayKey]]:
    """How many messages and calls there were, and seconds of calls, counted anew from what was acknowledged."""
    counts: Counter[DayKey] = Counter()
    seconds: Counter[DayKey] = Counter()
    messages: set[str] = set()
    calls: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        if one.call:
            calls[one.call].append(one)
        elif one.text not in messages:
            messages.add(one.text)
            counts[one.imsi, "SMS", one.direction, one.country] += 1
    for reports in calls.values():
        first = reports[0]
        key = first.imsi, "CALL", first.direction, first.country
        answer, end = max(each.answer for each in reports), max(each.end for each in reports)
        counts[key] += 1
        seconds[key] += max(end - answer, 0) if answer and end else 0
    return counts, seconds


def check_days(told: Sequence[Told], rows: Iterable[tuple[DayKey, int, int]]) -> list[Complaint]:
    """The daily counts are those of a count of everything."""
    counts, seconds = days(told)
    found = []
    stored = {key: (count, length) for key, count, length in rows if count or length}
    for key in sorted(counts.keys() | stored.keys()):
        wanted, is_so = (counts[key], seconds[key]), stored.get(key, (0, 0))
        if wanted != is_so:
            found.append(never(f"counted of {key} are {is_so} (times, seconds), acknowledged were {wanted}"))
    return found


def check_use(readings: Mapping[str, Sequence[int]], used: Mapping[str, int]) -> list[Complaint]:
    """What counters rose by from reading to reading; one that shows less began anew."""
    found = []
    for imsi, shown in readings.items():
        wanted = sum(now - before if now >= before else now for before, now in pairwise(shown))
        if used.get(imsi, 0) != wanted:
            found.append(never(f"{imsi} showed {list(shown)}, and is counted to have used {used.get(imsi, 0)}"))
    return found


def check_rules(
    counted: Mapping[tuple[str, str], int], fired: Mapping[tuple[str, str], int], at_least: Mapping[str, int], most: int
) -> list[Complaint]:
    """A rule fired when its signal had come up to its number, and once a step of its window. By rule and IMSI."""
    found = []
    for (rule, imsi), count in counted.items():
        times = fired.get((rule, imsi), 0)
        if not (1 <= times <= most if count >= at_least[rule] else times == 0):
            found.append(never(f"{rule} fired {times} times for {imsi}, of which {count} were acknowledged"))
    return found


def check_handed_on(
    acknowledged: Mapping[str, str],
    several: Iterable[str],
    stored: Sequence[tuple[str, str, str]],
    received: Iterable[Mapping[str, Any]],
    lane: str,
) -> list[Complaint]:
    """Every message reached the subscription at least once, in order per SIM, under one id.

    `acknowledged`: text to IMSI. `several`: texts that may be stored more than once (SMPP, where an answer was lost).
    `stored`: IMSI, id and text in the order of the commits.
    """
    found = []
    often = Counter(text for _, _, text in stored)
    for text, count in often.items():
        if count > 1 and text not in set(several):
            found.append(never(f"the message {text} was taken in {count} times"))
    found += [
        never(f"the message {text} was acknowledged and not taken in") for text in acknowledged if not often[text]
    ]
    ids = {id_: (imsi, text) for imsi, id_, text in stored}
    taken: list[str] = []
    for item in received:
        data = item["body"]["data"] if isinstance(item["body"], dict) else {}
        if data.get("subscriptionId") != lane or "messageId" not in data:
            continue
        id_ = data["messageId"]
        if id_ in ids and ids[id_][1] != data.get("text"):
            found.append(never(f"the message {id_} is {ids[id_]}, and was told as {data.get('text')!r}"))
        if item["status"] is not None and item["status"] < 300 and id_ not in taken:
            taken.append(id_)
    order: dict[str, list[str]] = defaultdict(list)
    for imsi, id_, _ in stored:
        order[imsi].append(id_)
    for imsi, wanted in order.items():
        got = [id_ for id_ in taken if id_ in ids and ids[id_][0] == imsi]
        if got != wanted[: len(got)]:
            found.append(never(f"messages of {imsi} were told as {got}, committed are {wanted}"))
        elif len(got) < len(wanted):
            found.append(Complaint(f"{lane} waits for {len(wanted) - len(got)} messages of {imsi}"))
    return found


def check_calls_told(ended: Mapping[str, str], received: Iterable[Mapping[str, Any]], lane: str) -> list[Complaint]:
    """Each call that ended (id to the other side's number) was told, under one record id."""
    records: dict[str, set[str]] = defaultdict(set)
    for item in received:
        data = item["body"]["data"] if isinstance(item["body"], dict) else {}
        if data.get("subscriptionId") == lane and "recordId" in data:
            records[data["recordId"]].add(data.get("from" if data.get("direction") == "INBOUND" else "to") or "")
    found = [never(f"the call {id_} was told with {sides}") for id_, sides in records.items() if len(sides) != 1]
    got = Counter(next(iter(sides)) for sides in records.values())
    wanted = Counter(ended.values())
    if more := got - wanted:
        found.append(never(f"calls were told that did not end: {dict(more)}"))
    if missing := wanted - got:
        found.append(Complaint(f"{lane} waits for calls: {dict(missing)}"))
    return found
