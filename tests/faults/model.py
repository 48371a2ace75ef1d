"""What must be so after a round, said independently of the product: plain facts in, complaints out.

Nothing here knows how the product works. A complaint is `later` when time may still mend it (something is on its way)
and `never` when it cannot: order, identity and completeness of what is committed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
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


FUNCTIONS = {"VOICE": 1, "SMS": 2, "DATA": 4}
STEPS = {
    "activate": ({"PRE_ACTIVE", "DEACTIVATED"}, "ACTIVE"),
    "suspend": ({"ACTIVE"}, "SUSPENDED"),
    "restore": ({"SUSPENDED"}, "ACTIVE"),
    "deactivate": ({"ACTIVE", "SUSPENDED"}, "DEACTIVATED"),
}
"""Step in a SIM's life to the states that it may start from, and the one it leads to."""


class Should(msgspec.Struct, frozen=True):
    """How a SIM must be, by what was acknowledged."""

    bound: str | None
    """The IMEI it is bound to."""
    closed: frozenset[str] = frozenset()
    lifecycle: str = "ACTIVE"
    named: bool = False
    """Somebody named that IMEI: binding without one keeps it."""

    def off(self, imei: str | None) -> int:
        """The functions that do not work, in this device (None: never in one)."""
        if self.lifecycle != "ACTIVE" or (imei is not None and differs(self.bound, imei)):
            return sum(FUNCTIONS.values())
        return sum(FUNCTIONS[name] for name in self.closed)


class Act(msgspec.Struct, frozen=True):
    """Something that is done to a SIM."""

    verb: str
    """bind, unbind, open, close, or a step in its life."""
    functions: frozenset[str] = frozenset()

    def to(self, should: Should, imei: str | None = None) -> Should | None:
        """How the SIM must be behind it; None when nothing is done, or nothing can be."""
        if self.verb == "bind":
            return None if should.named else msgspec.structs.replace(should, bound=imei)
        if self.verb == "unbind":
            return None if should.bound is None else msgspec.structs.replace(should, bound=None, named=False)
        if self.verb in STEPS:
            needed, state = STEPS[self.verb]
            return msgspec.structs.replace(should, lifecycle=state) if should.lifecycle in needed else None
        closed = should.closed | self.functions if self.verb == "close" else should.closed - self.functions
        return None if closed == should.closed else msgspec.structs.replace(should, closed=closed)

    def verdict(self, should: Should) -> str:
        """What an operation on many says of this SIM."""
        if self.to(should) is not None:
            return "DONE"
        there = self.verb not in STEPS or STEPS[self.verb][1] == should.lifecycle
        return "UNCHANGED" if there else "REFUSED"


class Intent(msgspec.Struct):
    """What somebody asked for, under a name that the events it leads to carry (x-correlator)."""

    app_key: str
    """Empty for the operator."""
    api: str
    operation: str
    imsis: frozenset[str]
    done: frozenset[str] | None = None
    """The SIMs that it changed, by what was acknowledged; None: nobody knows."""
    unknown: int = 0
    """Names in its list that no SIM has, once it was accepted: they are counted apart."""


def differs(bound: str | None, imei: str) -> bool:
    """Whether a card is in another device than the one it is bound to."""
    return bound is not None and bound[:14] != imei[:14]


def check_states(
    cards: Mapping[str, Card], should: Mapping[str, Should], rows: Iterable[Mapping[str, Any]]
) -> list[Complaint]:
    """Every SIM is known to be where it is, bound, closed and alive as acknowledged, barred for what is so, no more."""
    found = []
    by_imsi = {row["imsi"]: row for row in rows}
    for imsi, wanted in should.items():
        row, seen = by_imsi[imsi], cards.get(imsi)
        found += check_control(imsi, wanted, row)
        differing = seen is not None and differs(wanted.bound, seen.imei)
        if ("IMEI_MISMATCH" in {bar["cause"] for bar in row["bars"]}) != differing:
            found.append(Complaint(f"{imsi} has the bars {row['bars']}, in {seen}, bound to {wanted.bound}"))
        off = wanted.off(None if seen is None else seen.imei)
        if row["functions_off"] != off:
            found.append(Complaint(f"{imsi}: the functions {row['functions_off']} are off, should be {off}"))
    for imsi, card in cards.items():
        row = by_imsi[imsi]
        if (row["gateway"], row["slot"]) != (card.gateway, card.slot):
            found.append(
                Complaint(f"{imsi} is at {card.gateway} {card.slot}, believed at {row['gateway']} {row['slot']}")
            )
        if row["seen_imei"] != card.imei[:14]:
            found.append(Complaint(f"{imsi} is in {card.imei}, believed in {row['seen_imei']}"))
        bound = should[imsi].bound
        state = "NEUTRAL" if bound is None else "DIFFERED" if differs(bound, card.imei) else "LOCKED"
        if row["state"] != state:
            found.append(Complaint(f"{imsi} is {row['state']}, should be {state}"))
    return found


def check_control(imsi: str, wanted: Should, row: Mapping[str, Any]) -> list[Complaint]:
    """What customers and the operator set, and was acknowledged, is so: no time will change it."""
    found = []
    if row["bound"] != (wanted.bound and [wanted.bound[:14]]):
        found.append(never(f"{imsi} was bound to {wanted.bound} with acknowledgement, and is bound to {row['bound']}"))
    if row["lifecycle"] != wanted.lifecycle:
        found.append(never(f"{imsi} became {wanted.lifecycle} with acknowledgement, and is {row['lifecycle']}"))
    masks = [bar["functions"] for bar in row["bars"] if bar["cause"] == "CLOSED_BY_CUSTOMER"]
    closed = sum(FUNCTIONS[name] for name in wanted.closed)
    if sum(masks) != closed:
        found.append(
            never(f"{imsi} has {sorted(wanted.closed)} closed with acknowledgement, and the bars {row['bars']}")
        )
    suspended = sum(bar["cause"] == "SUSPENDED" for bar in row["bars"])
    if suspended != (wanted.lifecycle == "SUSPENDED"):
        found.append(never(f"{imsi} is {wanted.lifecycle} and has the bars {row['bars']}"))
    return found


def check_causes(intents: Mapping[str, Intent], events: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Complaint]:
    """Whatever changed was asked for; what was acknowledged as done was done once, what was refused was not.

    What nobody answered may have been done, once.
    """
    found = []
    times = roots(events)
    for (name, imsi), count in times.items():
        intent = intents.get(name)
        if intent is None or imsi not in intent.imsis:
            found.append(never(f"{imsi} was changed by {name}, which never asked for it"))
        elif count > 1:
            found.append(never(f"{imsi} was changed {count} times by {name} ({intent.operation})"))
    for name, intent in intents.items():
        if intent.done is not None:
            happened = {imsi for imsi in intent.imsis if times[name, imsi]}
            lost, extra = sorted(intent.done - happened), sorted(happened - intent.done)
            if lost:
                found.append(
                    never(f"{name} ({intent.operation}) was acknowledged, and is not in the history of {lost}")
                )
            if extra:
                found.append(never(f"{name} ({intent.operation}) was said to leave {extra} alone, and changed them"))
    return found


def roots(events: Mapping[str, Sequence[Mapping[str, Any]]]) -> Counter[tuple[str, str]]:
    """How often a call or operation of this name began a chain of events, per SIM."""
    return Counter(
        (event["cause"]["reference"], imsi)
        for imsi, history in events.items()
        for event in history
        if event["parent"] is None
        and event["cause"]["kind"] in ("CALL", "OPERATOR")
        and event["cause"].get("reference")  # what was set up from the command line has none
    )


def check_usage(
    intents: Mapping[str, Intent],
    events: Mapping[str, Sequence[Mapping[str, Any]]],
    subscriptions: Mapping[str, int],
    usage: Mapping[tuple[str, str, str], int],
) -> list[Complaint]:
    """Every application is charged for exactly the changes that it made. `subscriptions`: how many each one has.

    `usage`: count by application, API and operation, of operations that change something.
    """
    wanted: Counter[tuple[str, str, str]] = Counter()
    for (name, _), count in roots(events).items():
        intent = intents.get(name)
        if intent is not None and intent.app_key:
            wanted[intent.app_key, intent.api, intent.operation] += count
    for intent in intents.values():
        if intent.unknown:
            wanted[intent.app_key, intent.api, f"{intent.operation}/unknown"] += intent.unknown
    for app_key, count in subscriptions.items():
        wanted[app_key, "iot-sim-fraud-prevention-subscriptions", "subscribeFraudPrevention"] += count
    return [
        never(f"{key} is counted {usage.get(key, 0)} times, and was done {wanted[key]} times")
        for key in sorted({*wanted, *usage})
        if wanted[key] != usage.get(key, 0)
    ]


def check_services(sims: Sequence[Mapping[str, Any]], counted: Mapping[str, int]) -> list[Complaint]:
    """As many SIMs are charged for a binding and an area limit as have one. `counted`: by service."""
    found = []
    for service, column in (("BINDING", "binding"), ("AREA", "area")):
        have = sum(sim[column] is not None for sim in sims)
        if counted.get(service, 0) != have:
            found.append(never(f"{counted.get(service, 0)} SIMs are charged for {service}, and {have} have it"))
    return found


def check_reads(
    sent: Mapping[str, int], answered: Mapping[str, int], counted: Mapping[str, int], *, killed: bool
) -> list[Complaint]:
    """No reading call is counted that was not made; every answered one is, unless a process was killed meanwhile."""
    found = [
        never(f"{name} is counted {count} times, and was called {sent.get(name, 0)} times")
        for name, count in counted.items()
        if count > sent.get(name, 0)
    ]
    if not killed:
        found += [
            Complaint(f"{name} was answered {count} times, and is counted {counted.get(name, 0)} times")
            for name, count in answered.items()
            if counted.get(name, 0) < count
        ]
    return found


def check_switches(imsi: str, events: Sequence[Mapping[str, Any]]) -> list[Complaint]:
    """A function is opened and closed in turn, and each state of a SIM's life begins where the one before ended."""
    found = []
    closed: set[str] = set()
    state = "ACTIVE"
    for event in events:
        kind, data = event["type"], event["data"]
        if kind in ("FUNCTION_CLOSED", "FUNCTION_OPENED"):
            if (data["function"] in closed) is (kind == "FUNCTION_CLOSED"):
                found.append(never(f"{imsi}: {kind} of {data['function']}, which was so already ({event['n']})"))
            closed ^= {data["function"]}
        elif kind == "LIFECYCLE_CHANGED":
            if data["from"] != state:
                found.append(never(f"{imsi}: went from {data['from']} to {data['to']} when it was {state}"))
            state = data["to"]
    return found


def check_locks(
    cards: Mapping[str, Card], should: Mapping[str, Should], locked: set[tuple[str, str]]
) -> list[Complaint]:
    """The gateways hold exactly those slots locked in which a SIM sits that may do nothing."""
    wanted = {(card.gateway, card.slot) for imsi, card in cards.items() if should[imsi].off(card.imei) == 7}
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


def bound_to(events: Sequence[Mapping[str, Any]]) -> set[str]:
    """The devices (14 digits) that a SIM was ever bound to."""
    return {value[:14] for event in events for value in event["data"].get("values", ()) if "BINDING" in event["type"]}


def expected_changes(start: str, moves: Iterable[Move], bound: Container[str] = ()) -> list[str]:
    """The devices that must have been told, in order, given the one it began in.

    A return to a device that it is bound to waits for its proof (ADR 0020). When the card goes on before, it need not
    be told.
    """
    found = [start]
    for move in moves:
        if move.card.imei != found[-1] and move.card.imei[:14] not in bound:
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
