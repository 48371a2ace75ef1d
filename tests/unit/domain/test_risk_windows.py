"""Windows are the same in any order of the same records, and a rule fires when a naive count of the records says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.daily import StoredCall
from simwarden.domain.reports import SmsRecord
from simwarden.domain.risk import UNITS, RiskRule, Signal, StoredRule
from simwarden.domain.risk_facts import Facts
from simwarden.domain.risk_windows import MOST_COUNTRIES, STEPS, Fact, Plan, SimWindows, key_of, step_seconds
from simwarden.domain.zones import zone_of

T0 = 1_772_000_000
NOW = datetime.fromtimestamp(T0, UTC)
IMSI = "460000990000001"
COUNTS = (Signal.SMS_SENT, Signal.CALLS_MADE, Signal.CALL_MINUTES, Signal.MEGABYTES)


def stored(id_: str, when: Sequence[tuple[Signal, int]], minutes: int, **then: Any) -> StoredRule:
    said = {
        "when": [{"signal": str(signal), "atLeast": most} for signal, most in when],
        "inMinutes": minutes,
        "then": then or {"alert": True},
    }
    return StoredRule(
        id=id_,
        account_id="acme",
        name=id_,
        version=1,
        is_on=True,
        rule=msgspec.convert(said, RiskRule),
        created_at=NOW,
        changed_at=NOW,
    )


conditions = st.lists(
    st.tuples(st.sampled_from((*COUNTS, Signal.RECEIVERS, Signal.COUNTRIES, Signal.NEW_COUNTRIES)), st.integers(1, 4)),
    min_size=1,
    max_size=3,
    unique_by=lambda pair: pair[0],
)
rules = st.lists(st.tuples(conditions, st.sampled_from((1, 10, 60))), min_size=1, max_size=4).map(
    lambda drawn: [stored(f"r{n}", when, minutes) for n, (when, minutes) in enumerate(drawn)]
)


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """Records of some hours, dense enough for windows to fill and to slide."""
    made = []
    for _ in range(draw(st.integers(1, 40))):
        signal = draw(st.sampled_from((*COUNTS, Signal.RECEIVERS, Signal.COUNTRIES, Signal.NEW_COUNTRIES)))
        at = T0 + draw(st.integers(0, 4)) * 900 + draw(st.integers(0, 600))
        unit = UNITS.get(signal, 1)
        what = draw(st.sampled_from((b"a", b"b", b"c", b"d", b"e"))) if signal not in COUNTS else b""
        made.append(Fact(signal, at, draw(st.integers(1, 2)) * unit, what))
    return made


def windows(plan: Plan, items: Sequence[Fact], batch: int) -> SimWindows:
    state = SimWindows()
    for begin in range(0, len(items), batch):
        plan.take(state, items[begin : begin + batch])
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SimWindows)
    return state


@given(rules, facts(), st.randoms(use_true_random=False), st.integers(1, 7))
def test_any_order_and_any_batches_give_the_same_windows(
    drawn: list[StoredRule], items: list[Fact], random: Any, batch: int
) -> None:
    plan = Plan(drawn)
    shuffled = list(items)
    random.shuffle(shuffled)
    assert windows(plan, shuffled, batch) == windows(plan, items, len(items))


def _when(rule: StoredRule) -> list[tuple[Signal, int]]:
    return [(each.signal, each.at_least) for each in rule.rule.when]


class Naive:
    """Keeps every record, and counts them all anew."""

    def __init__(self, rule: StoredRule) -> None:
        self.rule = rule
        self.seen: list[Fact] = []
        self.floor: int | None = None
        self.fired_at: int | None = None
        self.is_held = False

    def mine(self) -> list[Fact]:
        return [fact for fact in self.seen if any(fact.signal is each.signal for each in self.rule.rule.when)]

    def newest(self) -> int:
        return max(fact.at // step_seconds(self.rule.rule.in_minutes) for fact in self.mine())

    def release(self) -> None:
        """What it raised is over: nothing of what came until now counts any more, and it need not rest."""
        if self.is_held:
            self.is_held, self.floor, self.fired_at = False, self.newest(), None

    def take(self, items: Sequence[Fact], now: int) -> dict[str, int] | None:
        self.seen += items
        rule = self.rule.rule
        length, mine = step_seconds(rule.in_minutes), self.mine()
        if self.is_held or not any(fact in mine for fact in items):
            return None
        if self.fired_at is not None and now < self.fired_at + rule.in_minutes * 60:
            return None
        newest = self.newest()
        first = newest - STEPS if self.floor is None else max(newest - STEPS, self.floor)
        found = {}
        for each in rule.when:
            within = [fact for fact in mine if fact.signal is each.signal and fact.at // length > first]
            if each.signal is Signal.NEW_COUNTRIES:
                old = {f.what for f in mine if f.signal is each.signal and f.at // length <= first}
                found[str(each.signal)] = len({fact.what for fact in within} - old)
            elif each.signal in (Signal.RECEIVERS, Signal.COUNTRIES):
                found[str(each.signal)] = min(len({fact.what for fact in within}), 10**6)
            else:
                found[str(each.signal)] = sum(fact.amount for fact in within) // UNITS.get(each.signal, 1)
            if found[str(each.signal)] < each.at_least:
                return None
        self.floor, self.fired_at, self.is_held = newest, now, rule.then.holds
        return found


@given(rules, facts(), st.integers(1, 5), st.booleans(), st.sets(st.integers(0, 40)), st.booleans())
def test_a_rule_fires_exactly_when_a_naive_count_of_all_records_says_so(
    drawn: list[StoredRule], items: list[Fact], batch: int, in_time: bool, released: set[int], holding: bool
) -> None:
    """`in_time`: records come in the order of their times; else in any. `holding`: the rules bar, and a person releases
    the SIM before some of the batches."""
    items = sorted(items, key=lambda fact: fact.at) if in_time else items
    if holding:
        drawn = [stored(each.id, _when(each), each.rule.in_minutes, bar={"functions": ["SMS"]}) for each in drawn]
    plan, state = Plan(drawn), SimWindows()
    naive = {each.id: Naive(each) for each in drawn}
    for begin in range(0, len(items), batch):
        some = items[begin : begin + batch]
        now = max(fact.at for fact in items[: begin + batch])
        if begin in released:
            for id_, _ in plan.held(state):
                plan.resume(state, id_)
            for model in naive.values():
                model.release()
        touched = plan.take(state, some)
        for id_, model in naive.items():
            hit = plan.hit(state, id_, now) if id_ in touched else None
            expected = model.take(some, now)
            if hit is not None:
                plan.rest(state, id_, now, int(holding))
            assert (hit is not None) == (expected is not None)
            if hit is not None and expected is not None:
                for name, counted in hit.counted.items():
                    saturates = Signal(name) in (Signal.RECEIVERS, Signal.COUNTRIES)
                    assert counted == expected[name] or (saturates and counted < expected[name])


def test_a_rule_that_holds_the_sim_rests_until_that_is_over_and_then_counts_anew() -> None:
    plan = Plan([stored("r", [(Signal.SMS_SENT, 3)], 60, bar={"functions": ["SMS"]})])
    state = SimWindows()

    def sent(minute: int, count: int = 1) -> bool:
        at = T0 - T0 % 3600 + minute * 60
        near = plan.take(state, [Fact(Signal.SMS_SENT, at)] * count)
        return any(plan.hit(state, rule_id, at) is not None for rule_id in near)

    assert not sent(0, 2)
    assert sent(1)
    plan.rest(state, "r", T0, 7)
    assert plan.held(state) == [("r", 7)]
    assert not sent(200, 50), "as long as its bar stands"
    plan.resume(state, "r")
    assert plan.held(state) == []
    assert not sent(206, 2), "what came before is not counted again"
    assert sent(207)


def test_what_is_kept_has_a_limit_whatever_comes() -> None:
    plan = Plan(
        [
            stored("a", [(Signal.RECEIVERS, 19), (Signal.SMS_SENT, 1_000_000)], 60),
            stored("b", [(Signal.NEW_COUNTRIES, 500)], 60),
        ]
    )
    state = SimWindows()
    for n in range(5_000):
        what = n.to_bytes(8, "big")
        plan.take(
            state,
            [
                Fact(Signal.RECEIVERS, T0 + n * 37, what=what),
                Fact(Signal.SMS_SENT, T0 + n * 37),
                Fact(Signal.NEW_COUNTRIES, T0 + n * 37, what=what[-2:]),
            ],
        )
    assert len(state.sets[key_of(Signal.RECEIVERS, 60)]) == 19
    assert len(state.sums[key_of(Signal.SMS_SENT, 60)]) <= STEPS
    assert len(state.sets[key_of(Signal.NEW_COUNTRIES, 60)]) == MOST_COUNTRIES + 1
    assert len(msgspec.msgpack.encode(state)) < 10_000
    Plan([]).forget(state)
    assert state == SimWindows()


def test_a_call_counts_once_with_the_minutes_that_it_has_come_to() -> None:
    begun = StoredCall(
        imsi=IMSI,
        direction="outbound",
        begin_at=NOW,
        answer_at=None,
        update_at=None,
        end_at=None,
        received_at=NOW,
        zone=None,
        prefix=None,
    )
    talks = msgspec.structs.replace(
        begun, answer_at=NOW, update_at=NOW + timedelta(minutes=5), received_at=NOW + timedelta(minutes=5)
    )
    ended = msgspec.structs.replace(talks, end_at=NOW + timedelta(minutes=7))
    plan = Plan([stored("m", [(Signal.CALL_MINUTES, 7), (Signal.CALLS_MADE, 1), (Signal.RECEIVERS, 1)], 60)])
    zone = zone_of("+8613800000001", IMSI)
    state, fires = SimWindows(), []
    for before, after in ((None, begun), (begun, talks), (talks, talks), (talks, ended), (ended, ended)):
        found = Facts(timedelta(days=29))
        found.replace_call(1, before, after, zone)
        touched = plan.take(state, found.by_sim[IMSI])
        hit = plan.hit(state, touched[0], T0)
        fires.append(hit and hit.counted)
    whole = {"callMinutes": 7, "callsMade": 1, "receivers": 1}
    assert fires == [None, None, None, whole, whole]


def test_what_is_too_old_or_no_message_is_not_counted_and_what_is_to_come_counts_now() -> None:
    found = Facts(timedelta(days=2))

    def sms(**parts: Any) -> None:
        said: dict[str, Any] = {"key": b"k", "imsi": IMSI, "direction": "outbound", "at": NOW}
        found.add_messages([(1, SmsRecord(receiver="+22212345678", **(said | parts)), NOW)])

    sms(at=NOW - timedelta(days=3))
    sms(direction="report")
    assert found.by_sim == {}
    sms(at=NOW + timedelta(days=9))
    assert {(fact.signal, fact.at) for fact in found.by_sim[IMSI]} == {
        (signal, T0) for signal in (Signal.SMS_SENT, Signal.RECEIVERS, Signal.COUNTRIES, Signal.NEW_COUNTRIES)
    }
