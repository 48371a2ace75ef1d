"""What rules remember of a SIM, and when they fire. Pure.

A window is made of STEPS steps of equal length; steps begin at multiples of their length since 1970 (UTC). It ends with
the step of the newest record, and goes STEPS steps back: a window of an hour holds between 55 and 60 minutes. Windows
are the same in whatever order the same records come, and a record that comes late counts in its own step. Rules that
look at the same signal for the same time share a window.

What is kept of a SIM has a fixed limit: STEPS numbers of a window that adds up, as many different things as the rules
ask for of one that counts those (the newest ones), and MOST_COUNTRIES countries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.risk import DISTINCT, UNITS, Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simwarden.domain.risk import StoredRule

STEPS = 12
MOST_COUNTRIES = 300
"""Of those that a SIM is known to have reached. There are fewer."""
_NUMBER = {signal: number for number, signal in enumerate(Signal)}
_FIRST_SEEN = Signal.NEW_COUNTRIES
_OF_THINGS = DISTINCT | {_FIRST_SEEN}
"""Signals that look at which things they are."""
ANY = b""
_SPAN = 100_000
Key = int
"""Of a window: the signal's number and the minutes."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Something of a SIM that a signal counts."""

    signal: Signal
    at: int
    """Seconds since 1970."""
    amount: int = 1
    """In the signal's smallest unit (UNITS); negative where what was counted before is taken back."""
    what: bytes = b""
    """Of signals that count different things: which it was."""


class Fired(msgspec.Struct, array_like=True):
    """A rule fired."""

    at: int
    """Seconds since 1970, of our clock."""
    event: int
    """Of the bar that it raised, or of the suspension; 0: it keeps the SIM from nothing."""
    floor: int
    """Steps up to this one do not count for it any more."""


class SimWindows(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a SIM."""

    sums: dict[Key, dict[int, int]] = {}
    """By step."""
    sets: dict[Key, dict[bytes, int]] = {}
    """Different things, and the newest step of each; of new countries the first, and under ANY the newest of all."""
    fired: dict[str, Fired] = {}
    """By the rule's id."""


class Hit(msgspec.Struct, frozen=True):
    """A rule fires for a SIM."""

    rule: StoredRule
    counted: dict[str, int]
    """By signal, in its unit."""


class Plan:
    """The rules of an account, made ready."""

    def __init__(self, rules: Iterable[StoredRule]) -> None:
        """Rules that are off, and those of silence, have no part in it."""
        self.rules = {each.id: each for each in rules if each.is_on and not each.rule.is_silence}
        self.signals: dict[Signal, list[tuple[Key, int]]] = {}
        """The windows of a signal: key, and the seconds of a step."""
        self.most: dict[Key, int] = {}
        """So many different things are remembered."""
        self.by_key: dict[Key, list[str]] = {}
        """Who looks at a window."""
        self._needs: dict[str, list[tuple[Key, int, Signal]]] = {}
        """Of a rule: windows, and what they must come up to."""
        self._least: dict[Key, int] = {}
        """Below this no rule that looks at a window fires."""
        for each in self.rules.values():
            for condition in each.rule.when:
                key = key_of(condition.signal, each.rule.in_minutes)
                if key not in self.by_key:
                    self.by_key[key] = []
                    self.signals.setdefault(condition.signal, []).append((key, step_seconds(each.rule.in_minutes)))
                self.by_key[key].append(each.id)
                need = condition.at_least * UNITS.get(condition.signal, 1)
                self._needs.setdefault(each.id, []).append((key, need, condition.signal))
                self._least[key] = min(need, self._least.get(key, need))
                if condition.signal in DISTINCT:
                    self.most[key] = max(self.most.get(key, 0), condition.at_least)

    def take(self, state: SimWindows, facts: Sequence[Fact]) -> list[str]:
        """Count facts, in place; returns the rules that may fire by what changed, by id."""
        touched: dict[Key, None] = {}
        for fact in facts:
            signal, at, what = fact.signal, fact.at, fact.what
            for key, seconds in self.signals.get(signal, ()):
                step = at // seconds
                touched[key] = None
                if signal not in _OF_THINGS:
                    sums = state.sums.get(key)
                    if sums is None:
                        state.sums[key] = {step: fact.amount}
                    else:
                        sums[step] = sums.get(step, 0) + fact.amount
                    continue
                seen = state.sets.get(key)
                if seen is None:
                    state.sets[key] = seen = {}
                newest = what
                if signal is _FIRST_SEEN:
                    seen[what] = min(seen.get(what, step), step)
                    newest = ANY
                if seen.get(newest, -1) < step:
                    seen[newest] = step
        near: dict[str, None] = {}
        for key in touched:
            window = state.sums.get(key)
            if window is None:
                if len(state.sets[key]) > 1:
                    self._prune(state, key)
                most = len(state.sets[key])
            else:
                if len(window) > 1:
                    self._prune(state, key)
                most = sum([amount for amount in window.values() if amount > 0])
            if most >= self._least[key]:
                near.update(dict.fromkeys(self.by_key[key]))
        return list(near)

    def is_new_to(self, state: SimWindows) -> bool:
        """Whether it is to be told which countries the SIM has reached: it asks for new ones, and knows of none yet."""
        return any(key not in state.sets for key, _ in self.signals.get(_FIRST_SEEN, ()))

    def remember(self, state: SimWindows, countries: Iterable[str]) -> None:
        """Countries that the SIM has reached long ago."""
        for key, _ in self.signals.get(_FIRST_SEEN, ()):
            seen = state.sets.setdefault(key, {ANY: 0})
            for country in countries:
                seen[country.encode()] = 0

    def hit(self, state: SimWindows, rule_id: str, now: int) -> Hit | None:
        """Whether a rule fires, at our time in seconds since 1970; None: not, or it rests after it did."""
        needs, sums, sets = self._needs[rule_id], state.sums, state.sets
        for key, need, _ in needs:  # nearly always one of them is far from it, whatever the window is
            if key in sums:
                if sum([amount for amount in sums[key].values() if amount > 0]) < need:
                    return None
            elif len(sets.get(key, ())) < need:
                return None
        stored, fired = self.rules[rule_id], state.fired.get(rule_id)
        if fired is not None and (fired.event or now < fired.at + stored.rule.in_minutes * 60):
            return None
        newest = self._newest(state, rule_id)
        first = newest - STEPS if fired is None else max(newest - STEPS, fired.floor)
        counted = {}
        for key, need, signal in needs:
            if key in sums:
                found = sum(amount for step, amount in sums[key].items() if step > first)
            else:
                found = sum(step > first for what, step in sets[key].items() if what != ANY)
            if found < need:
                return None
            counted[str(signal)] = found // UNITS.get(signal, 1)
        return Hit(stored, counted)

    def rest(self, state: SimWindows, rule_id: str, now: int, event: int) -> None:
        """Remember that a rule fired. `event`: see Fired."""
        state.fired[rule_id] = Fired(now, event, self._newest(state, rule_id))

    def resume(self, state: SimWindows, rule_id: str) -> None:
        """What a rule kept the SIM from is over: it counts anew, what came until now left out."""
        state.fired[rule_id] = Fired(0, 0, self._newest(state, rule_id))

    def held(self, state: SimWindows) -> list[tuple[str, int]]:
        """Rules that rest while what they raised stands: id, and the event that raised it."""
        return [(id_, fired.event) for id_, fired in state.fired.items() if fired.event and id_ in self.rules]

    def forget(self, state: SimWindows) -> None:
        """Drop what no rule looks at any more."""
        if state.sums.keys() <= self.by_key.keys() >= state.sets.keys() and state.fired.keys() <= self.rules.keys():
            return
        for windows in (state.sums, state.sets):
            for key in [key for key in windows if key not in self.by_key]:
                del windows[key]
        for id_ in [id_ for id_ in state.fired if id_ not in self.rules]:
            del state.fired[id_]

    def _newest(self, state: SimWindows, rule_id: str) -> int:
        steps = [0]
        for key, _, _ in self._needs[rule_id]:
            steps += state.sums.get(key, ())
            steps += state.sets.get(key, {}).values()
        return max(steps)

    def _prune(self, state: SimWindows, key: Key) -> None:
        if key in state.sums:
            sums = state.sums[key]
            if len(sums) > 1:
                first = max(sums) - STEPS
                for step in [step for step in sums if step <= first]:
                    del sums[step]
            return
        seen = state.sets[key]
        if len(seen) == 1:
            return
        if key in self.most:
            first = max(seen.values()) - STEPS
            if len(seen) <= self.most[key] and min(seen.values()) > first:
                return
            kept = sorted(((step, what) for what, step in seen.items() if step > first), reverse=True)
            state.sets[key] = {what: step for step, what in kept[: self.most[key]]}
        elif len(seen) > MOST_COUNTRIES:
            kept = sorted((step, what) for what, step in seen.items() if what != ANY)
            state.sets[key] = {ANY: seen[ANY]} | {what: step for step, what in kept[:MOST_COUNTRIES]}


def key_of(signal: Signal, minutes: int) -> Key:
    """Of the window of a signal."""
    return _NUMBER[signal] * _SPAN + minutes


def step_seconds(minutes: int) -> int:
    """How long a step of a window is."""
    return minutes * 60 // STEPS
