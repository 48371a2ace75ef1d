"""Every named query against the rules that a database spread over shards (Citus 13.2) makes statements keep to.

The rules were found by executing the statements there. Those that break one today stand in OFFENDERS. That list may
only shrink: a new offender is to be written in another way, and one that offends no more is to be taken from the list.
The statements are read as text, so what is found is what their form shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import simwarden.store
from simwarden.store.queries import load, written

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERIES = sorted((Path(simwarden.store.__file__).parent / "queries").glob("*.sql"))
MIGRATIONS = sorted((Path(simwarden.store.__file__).parent / "migrations").glob("*.sql"))

_KEYWORDS = "where|set|on|using|join|left|right|full|cross|inner|order|group|limit|for|select|values|returning|as|with"
_TABLE = re.compile(
    rf"\b(from|join|using|update)\s+([a-z_]+)\b(?!\s*\()(?:\s+(?:as\s+)?(?!(?:{_KEYWORDS})\b)([a-z_]\w*))?"
)
_TIME = re.compile(r"\b(now|random|clock_timestamp)\s*\(|\bcurrent_(timestamp|date)\b|::interval\b|\binterval\s*'")
_WITH = re.compile(r"(?:\bwith|\brecursive|,) (\w+)(?: \([^)]*\))? as ")
_ONE = r"bucket\s*=\s*\$\d"
_SOME = r"bucket\s*(?:=\s*any\s*\(\s*\$\d|between\s+\$\d)"


def created() -> dict[str, str]:
    """The tables of all migrations, each with its columns as they were made."""
    texts = [path.read_text(encoding="utf-8").lower() for path in MIGRATIONS]
    return dict(pair for text in texts for pair in re.findall(r"create table (\w+) \((.*?)\n\)", text, re.DOTALL))


SHARDED = frozenset(
    name for name, columns in created().items() if re.search(r"^\s*bucket\s", columns, re.MULTILINE)
) - {"sim_identifier"}
"""The tables with a column `bucket`, but for the names of SIMs, which every node holds whole."""
LOCAL = {
    *("lease", "lease_worker", "signing_key", "key_check", "gateway_reject"),
    *("call_allowance", "call_hold", "operator_act", "audit_chain", "invoice", "invoice_series"),
}
"""Tables that would stay on one node, where the rules for written values do not hold."""
REFERENCE = frozenset(created()) - SHARDED - LOCAL
"""Tables that every node holds whole."""


class Use(NamedTuple):
    """A sharded table in a statement."""

    how: str
    table: str
    alias: str


def plain(statement: str) -> str:
    """Without comments and in small letters."""
    return re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", statement)).strip().lower()


def tables(text: str) -> Iterator[Use]:
    """Every use of a sharded table, but for those that rows are inserted into."""
    for how, table, alias in _TABLE.findall(text):
        if table in SHARDED:
            yield Use(how, table, alias or table)


def named(use: Use, text: str, form: str) -> bool:
    """Whether the statement names the bucket of this table, in this form."""
    return re.search(rf"(?<![\w.])(?:{use.alias}\.)?{form}", text) is not None


def bodies(text: str, opening: str) -> Iterator[str]:
    """What stands between `opening`, which ends with a parenthesis, and the parenthesis that closes it."""
    for begun in re.finditer(opening, text):
        depth, end = 1, begun.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[begun.end() : end - 1]


def outermost(text: str) -> str:
    """Without anything in parentheses."""
    before = ""
    while before != text:
        before, text = text, re.sub(r"\([^()]*\)", " ", text)
    return text


def broken(statement: str) -> set[int]:
    """The numbers of the rules that a statement breaks."""
    text = plain(statement)
    uses = list(tables(text))
    found = set()
    locks = re.search(r"\bfor (no key )?(update|share)\b", text)
    if uses and locks and not all(named(use, text, _ONE) for use in uses):
        found.add(1)  # rows of several shards are not locked in one statement
    if uses and "with recursive" in text:
        found.add(2)
    updated = re.search(r"(?<!do )(?<!for )(?<!key )\bupdate (\w+)", text)
    if updated and updated[1] not in LOCAL and _TIME.search(text):
        found.add(3)  # wider than there, where some forms are accepted: times are computed in the client
    for body in bodies(text, r"\blateral \("):
        inside = list(tables(body))
        if inside and " limit " in body and not all(_names(use, body) for use in inside):
            found.add(4)
    whole = re.search(r"\bfrom (\w+)", outermost(text))
    if (
        whole
        and whole[1] in REFERENCE - set(_WITH.findall(text))
        and any(list(tables(body)) for body in bodies(text, r"\(\s*(?=select )"))
    ):
        found.add(5)  # group first, then join
    deleted = re.match(r"delete from (\w+)", text)
    if deleted and deleted[1] in REFERENCE and uses:
        found.add(6)
    inserted = re.search(r"\binsert into (\w+)\b", text)
    if inserted and inserted[1] in SHARDED:
        condition = re.search(r"\bon conflict\b.*\bdo update\b.*\bwhere\b(.*)", text)
        if condition and (_TIME.search(condition[1]) or "$" in condition[1]):
            found.add(7)  # comparing columns is accepted
        if "unnest" in text and "on conflict" not in text:
            found.add(8)  # a duplicate has another SQLSTATE there
    if not all(_names(use, text) for use in uses):
        found.add(9)  # without the bucket in a predicate every shard is asked
    return found


def _names(use: Use, text: str) -> bool:
    return named(use, text, _SOME) or named(use, text, _ONE)


OFFENDERS: dict[str, set[int]] = {
    "accounts.revoke_application": {3},
    "alarms.clear": {3},
    "attachments.at_targets": {9},
    "attachments.retry_now": {1, 9},
    "care.pause": {3},
    "care.resume": {3},
    "care.revoked": {5},
    "care.lock_live": {1},
    "deliveries.due_queues": {2},
    "deliveries.heads": {4, 9},
    "deliveries.lock_queues": {1},
    "deliveries.advance_queues": {3},
    "deliveries.defer_origin": {1, 3},
    "deliveries.release_origin": {1, 3},
    "deliveries.drop_pending": {3},
    "deliveries.give_up_old": {3},
    "deliveries.lock_replayable": {1, 9},
    "deliveries.replay": {3},
    "deliveries.reopen": {3},
    "doubts.answered": {3},
    "doubts.claim": {3},
    "fanout.survey": {4, 9},
    "fanout.turns": {2, 9},
    "fanout.waiting": {9},
    "fleet.enforcements": {9},
    "fleet.deliveries": {9},
    "fleet.sims": {9},
    "gateways.all": {5, 9},
    "idempotency.claim": {7},
    "idempotency.prune": {1},
    "inboxes.take": {3},
    "key_check.subscriptions": {9},
    "listing.gateways": {5, 9},
    "listing.gateway": {5, 9},
    "operations.begun": {5, 9},
    "operations.insert_parts": {8},
    "operations.insert_items": {8},
    "operations.find": {5, 9},
    "operations.page": {5, 9},
    "operations.buckets_of": {9},
    "operations.reopen_parts": {9},
    "operations.close_parts": {1, 9},
    "operations.lock_parts": {1},
    "operations.next_items": {4, 9},
    "operations.finished": {5, 9},
    "operations.finish": {3},
    "operations.old": {5, 9},
    "operations.forget": {5, 6, 9},
    "ports.prune_ports": {5, 6, 9},
    "personal.plain_sms": {1, 9},
    "personal.drop_sms_again": {9},
    "personal.seal_sms": {9},
    "personal.plain_calls": {1, 9},
    "personal.seal_calls": {9},
    "personal.plain_subscriptions": {1, 9},
    "personal.seal_subscriptions": {9},
    "personal.prune_sms": {1, 9},
    "personal.prune_calls": {1, 9},
    "records.add_sms": {9},
    "records.known_calls": {9},
    "removal.sims": {9},
    "removal.attachments": {9},
    "removal.delivery_attempts": {9},
    "removal.deliveries": {9},
    "removal.subscriptions": {9},
    "removal.fan_out": {9},
    "removal.operation_items": {9},
    "removal.operation_parts": {9},
    "removal.idempotency": {9},
    "removal.usage": {9},
    "sandbox.write_down": {8},
    "seen_again.hold": {1},
    "sims.find": {9},
    "sims.lock": {1},
    "sims.add_events": {8},
    "sims.event_counts_of_deleted": {9},
    "sims.insert": {8},
    "sims.insert_first_events": {8},
    "sims.bury": {8},
    "sims.page": {9},
    "sims.any_account": {9},
    "subscriptions.lock_listening": {1},
    "subscriptions.lock_living": {1},
    "subscriptions.lock_ending": {1},
    "outbox.add_deliveries": {8},
    "outbox.save": {3},
    "subscriptions.prune": {9},
    "subscriptions.active": {5},
    "watch.silent": {3},
    "watch.nothing_waits": {5, 9},
    "watch.dead_no_more": {5, 9},
    "watch.enforcement_backlog": {9},
    "watch.delivery_backlog": {2, 4, 9},
}


def test_the_tables_are_known() -> None:
    assert {"sim", "event", "attachment", "subscription", "delivery", "idempotency", "fan_out"} <= SHARDED
    assert not SHARDED & {"account", "application", "gateway", "gateway_port", "operation", "sim_identifier"}


def test_no_statement_breaks_a_rule_but_those_that_are_known_to() -> None:
    found = {
        f"{path.stem}.{name}": rules
        for path in QUERIES
        for name, statement in written(path.stem).items()
        if (rules := broken(statement))
    }
    new = {name: rules - OFFENDERS.get(name, set()) for name, rules in found.items()}
    assert {name: rules for name, rules in new.items() if rules} == {}, "to be written in another way"
    mended = {name: rules - found.get(name, set()) for name, rules in OFFENDERS.items()}
    assert {name: rules for name, rules in mended.items() if rules} == {}, "mended: to be taken from OFFENDERS"


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        ("select * from sim where bucket = $1 and imsi = $2 for update", set()),
        ("select * from sim s where s.bucket = any ($1::smallint[]) order by s.bucket for update of s", {1}),
        ("select * from gateway where id = $1 for update", set()),
        ("with recursive a as (select 1 from sim where bucket = any ($1)) select * from a", {2}),
        ("update gateway set at = coalesce(at, now()) where id = $1", {3}),
        ("update sim set at = $3::timestamptz where bucket = $1 and imsi = $2", set()),
        ("select 1 from unnest($1) l cross join lateral (select 1 from event e where e.n = l.n limit $2) d", {4, 9}),
        ("select g.*, (select count(*) from attachment a where a.gateway_id = g.id) from gateway g", {5, 9}),
        ("delete from gateway g where not exists (select 1 from attachment a where a.gateway_id = g.id)", {5, 6, 9}),
        ("insert into sim as s (a) values ($1) on conflict (a) do update set a = 1 where s.a < $2", {7}),
        ("insert into sim as s (a) values ($1) on conflict (a) do update set a = 1 where s.a < excluded.a", set()),
        ("insert into event (bucket, n) select * from unnest($1, $2)", {8}),
        ("insert into event (bucket, n) select * from unnest($1, $2) on conflict do nothing", set()),
        ("select s.* from event d join sim s on s.bucket = d.bucket where d.bucket = any ($1)", {9}),
        ("delete from sim s using unnest($1) i where s.bucket = i.bucket and s.bucket = any ($1)", set()),
    ],
)
def test_a_broken_rule_is_found(statement: str, rules: set[int]) -> None:
    assert broken(statement) == rules


def test_what_names_shards_alone_is_not_executed_on_one_postgresql() -> None:
    raw = {(path.stem, name): text for path in QUERIES for name, text in written(path.stem).items()}
    marked = {place for place, text in raw.items() if "/* shards */" in text}
    assert ("risk", "states") in marked
    for place, text in raw.items():
        executed = load(place[0])[place[1]]
        assert "/* shards */" not in executed, place
        assert (executed != text) == (place in marked), place
