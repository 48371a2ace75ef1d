"""What must be so after a round, said independently of the product: plain facts in, complaints out.

Nothing here knows how the product works. A complaint is `later` when time may still mend it (something is on its way)
and `never` when it cannot: order, identity and completeness of what is committed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

IMEI_CHANGE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"


class Complaint(msgspec.Struct, frozen=True):
    """Something is not as it must be."""

    text: str
    final: bool = False

    def __str__(self) -> str:
        return self.text


def never(text: str) -> Complaint:
    """No time will mend this."""
    return Complaint(text, final=True)


class Card(msgspec.Struct, frozen=True):
    """Where a card truly is."""

    gateway: str
    slot: str
    imei: str


class Move(msgspec.Struct, frozen=True):
    """A card was carried somewhere; times in nanoseconds."""

    imsi: str
    card: Card
    at: int


class Seen(msgspec.Struct, frozen=True):
    """A gateway's report about a card was acknowledged."""

    imsi: str
    gateway: str
    slot: str
    imei: str
    at: int


def differs(bound: str | None, imei: str) -> bool:
    """Whether a card is in another device than the one it is bound to."""
    return bound is not None and bound[:14] != imei[:14]


def check_states(
    cards: Mapping[str, Card], bound: Mapping[str, str | None], rows: Iterable[Mapping[str, Any]]
) -> list[Complaint]:
    """Every SIM is known to be where it is, bound as acknowledged, and barred exactly when it is in another device."""
    found = []
    by_imsi = {row["imsi"]: row for row in rows}
    for imsi, card in cards.items():
        row = by_imsi[imsi]
        if (row["gateway"], row["slot"]) != (card.gateway, card.slot):
            found.append(
                Complaint(f"{imsi} is at {card.gateway} {card.slot}, believed at {row['gateway']} {row['slot']}")
            )
        if row["seen_imei"] != card.imei[:14]:
            found.append(Complaint(f"{imsi} is in {card.imei}, believed in {row['seen_imei']}"))
        wanted = bound[imsi]
        if row["bound"] != (wanted and [wanted[:14]]):
            found.append(never(f"{imsi} was bound to {wanted} with acknowledgement, and is bound to {row['bound']}"))
        state = "NEUTRAL" if wanted is None else "DIFFERED" if differs(wanted, card.imei) else "LOCKED"
        if row["state"] != state:
            found.append(Complaint(f"{imsi} is {row['state']}, should be {state}"))
        barred = row["bars"] != []
        if barred != differs(wanted, card.imei) or (row["functions_off"] != 0) != barred:
            found.append(Complaint(f"{imsi} has the bars {row['bars']} ({row['functions_off']}) and should be {state}"))
    return found


def check_locks(
    cards: Mapping[str, Card], bound: Mapping[str, str | None], locked: set[tuple[str, str]]
) -> list[Complaint]:
    """The gateways hold exactly those slots locked in which a SIM of another device sits."""
    wanted = {(card.gateway, card.slot) for imsi, card in cards.items() if differs(bound[imsi], card.imei)}
    return [Complaint(f"slot {slot} should be locked and is not") for slot in sorted(wanted - locked)] + [
        not_to_be_locked(slot) for slot in sorted(locked - wanted)
    ]


def not_to_be_locked(slot: tuple[str, str]) -> Complaint:
    """A slot is locked in which no SIM is, or one in its own device."""
    return Complaint(f"slot {slot} is locked and should not be")


def check_attachments(cards: Mapping[str, Card], rows: Iterable[Mapping[str, Any]]) -> list[Complaint]:
    """Applied equals desired: one attachment a SIM, where it is, with nothing left to do."""
    found = []
    current: Counter[str] = Counter()
    for row in rows:
        name = f"{row['imsi']} at {row['gateway']} {row['slot']}"
        if row["status"] != "APPLIED":
            found.append(
                Complaint(
                    f"{name} is still {row['status']} after {row['attempts']} attempts "
                    f"(next {row['next_attempt_at']}, last error {row['last_error']})"
                )
            )
        if not row["current"]:
            found.append(Complaint(f"{name} is left behind"))
        elif (cards[row["imsi"]].gateway, cards[row["imsi"]].slot) != (row["gateway"], row["slot"]):
            found.append(Complaint(f"{name} is attached where it is not"))
        current[row["imsi"]] += row["current"]
    return found + [Complaint(f"{imsi} has {current[imsi]} places") for imsi in cards if current[imsi] != 1]


def acknowledged_moves(moves: Sequence[Move], seen: Sequence[Seen]) -> list[Move]:
    """Of one card's moves those that were reported and acknowledged before the next one."""
    kept = []
    for number, move in enumerate(moves):
        end = moves[number + 1].at if number + 1 < len(moves) else 1 << 63
        here = (move.card.gateway, move.card.slot)
        if any((item.gateway, item.slot) == here and move.at < item.at < end for item in seen):
            kept.append(move)
    return kept


def expected_changes(start: str, moves: Iterable[Move]) -> list[str]:
    """The devices that must have been told, in order, given the one it began in."""
    found = [start]
    for move in moves:
        if move.card.imei != found[-1]:
            found.append(move.card.imei)
    return found[1:]


def is_subsequence(wanted: Sequence[str], told: Sequence[str]) -> bool:
    """Whether everything wanted was told in that order, perhaps with more between."""
    rest = iter(told)
    return all(any(item == other for other in rest) for item in wanted)


def check_events(
    imsi: str, count: int, events: Sequence[Mapping[str, Any]], start: str, expected: Sequence[str], ever: set[str]
) -> list[Complaint]:
    """One SIM's history: no gaps, a chain that makes sense, every acknowledged move in it. `events` by number."""
    found = []
    numbers = [event["n"] for event in events]
    if numbers != list(range(1, count + 1)):
        found.append(never(f"{imsi}: its event numbers are {numbers}, its count is {count}"))
    if any(event["parent"] is not None and event["parent"] >= event["n"] for event in events):
        found.append(never(f"{imsi}: an event comes before what led to it"))
    told = [event["data"] for event in events if event["type"] == "DEVICE_CHANGED"]
    before = start
    for data in told:
        if data["imei"] == before or data["before"] != before:
            found.append(never(f"{imsi}: told of a change from {data['before']} to {data['imei']} when in {before}"))
        if data["imei"] not in ever:
            found.append(never(f"{imsi}: told of the device {data['imei']}, in which it never was"))
        before = data["imei"]
    devices = [data["imei"] for data in told]
    if not is_subsequence(expected, devices):
        found.append(never(f"{imsi}: the devices {list(expected)} were acknowledged, {devices} were told"))
    raised = [event["type"] for event in events if event["type"] in ("BAR_RAISED", "BAR_LIFTED")]
    if raised != (["BAR_RAISED", "BAR_LIFTED"] * len(raised))[: len(raised)]:
        found.append(never(f"{imsi}: bars were raised or lifted twice: {raised}"))
    return found


def check_deliveries(
    subscriptions: Mapping[str, str],
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    received: Iterable[Mapping[str, Any]],
) -> list[Complaint]:
    """Every event reached every subscription at least once, in order, under one id with one body.

    `received`: all deliveries in the order in which they came, with the `status` that was answered.
    """
    found = []
    bodies: dict[str, Any] = {}
    came: dict[str, list[str]] = defaultdict(list)
    taken: dict[str, list[str]] = defaultdict(list)
    for item in received:
        body = item["body"]
        if not isinstance(body, dict) or "id" not in body:
            found.append(never(f"the sink got what is no event: {body!r:.200}"))
            continue
        if bodies.setdefault(body["id"], body) != body:
            found.append(never(f"the id {body['id']} has two bodies: {bodies[body['id']]} and {body}"))
        if body["type"] != IMEI_CHANGE:
            continue
        lane, name = body["data"]["subscriptionId"], body["id"]
        if name not in came[lane]:
            if came[lane] and came[lane][-1] not in taken[lane]:
                found.append(never(f"{name} was sent although {came[lane][-1]} before it was not taken yet"))
            came[lane].append(name)
        if item["status"] is not None and item["status"] < 300 and name not in taken[lane]:
            taken[lane].append(name)
    for lane, imsi in subscriptions.items():
        wanted = [event["data"]["imei"] for event in events[imsi] if event["type"] == "DEVICE_CHANGED"]
        got = [bodies[name]["data"]["imei"] for name in taken[lane]]
        if got != wanted[: len(got)]:
            found.append(never(f"subscription {lane} of {imsi} was told {got}, committed are {wanted}"))
        elif len(got) < len(wanted):
            found.append(Complaint(f"subscription {lane} of {imsi} waits for {len(wanted) - len(got)} events"))
    return found


def check_witnesses(acknowledged: Iterable[str], stored: Iterable[str], sent: set[str]) -> list[Complaint]:
    """Every acknowledged message is stored once; none is stored twice, none was made up."""
    counts = Counter(stored)
    return (
        [never(f"message {text} was acknowledged and is not stored") for text in acknowledged if not counts[text]]
        + [never(f"message {text} is stored {count} times") for text, count in counts.items() if count > 1]
        + [never(f"message {text} is stored and was never sent") for text in counts if text not in sent]
    )
