"""Messages, calls and counters, as the management API shows them: masked, unless they are to be revealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.counters import as_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.counters import CounterDay, LastReading
    from simwarden.domain.records import StoredCallRecord, StoredMessage, StoredRecord


def message(row: StoredMessage, names: Mapping[int, str], *, reveal: bool) -> dict[str, Any]:
    """A short message. `names`: of the gateways, by id."""
    return _there(
        {
            "at": row.at,
            "direction": row.direction,
            "sender": masked(row.sender, reveal=reveal),
            "receiver": masked(row.receiver, reveal=reveal),
            "content": row.content if reveal or row.content is None else f"({len(row.content)} characters)",
            "status": row.status,
            "statusText": row.status_text,
            "sentAt": row.sent_at,
            "smsc": row.smsc,
            "task": row.task,
            "tookMs": row.took_ms,
            "encoding": row.encoding,
            "pool": row.pool,
            "poolSlot": row.pool_slot,
            **_common(row, names, reveal=reveal),
        }
    )


def call(row: StoredCallRecord, names: Mapping[int, str], *, reveal: bool) -> dict[str, Any]:
    """A call. `names`: of the gateways, by id."""
    return _there(
        {
            "beginAt": row.begin_at,
            "direction": row.direction,
            "state": row.state,
            "caller": masked(row.caller, reveal=reveal),
            "callee": masked(row.callee, reveal=reveal),
            "alertAt": row.alert_at,
            "answerAt": row.answer_at,
            "updateAt": row.update_at,
            "endAt": row.end_at,
            "seconds": row.seconds,
            "ringingSeconds": row.ringing_seconds,
            "reasonCode": row.reason_code,
            "reason": row.reason,
            "causeCode": row.cause_code,
            "cause": row.cause,
            **_common(row, names, reveal=reveal),
        }
    )


def counter_day(row: CounterDay, names: Mapping[int, str]) -> dict[str, Any]:
    """What a SIM used on a day."""
    return {
        "imsi": row.imsi,
        "account": row.account_id,
        "gateway": names.get(row.element_id, ""),
        "day": row.day,
        "at": row.at,
        "used": as_numbers(row.used),
        "resets": row.resets,
        "readings": msgspec.to_builtins(row.reading),
    }


def last_reading(row: LastReading, names: Mapping[int, str]) -> dict[str, Any]:
    """What a gateway showed last."""
    return {
        "gateway": names.get(row.element_id, ""),
        "at": row.at,
        "readings": msgspec.to_builtins(row.reading),
    }


def _common(row: StoredRecord, names: Mapping[int, str], *, reveal: bool) -> dict[str, Any]:
    return {
        "gateway": names.get(row.gateway_id),
        "port": row.port,
        "slot": row.slot,
        "imsi": row.imsi,
        "iccid": row.iccid,
        "account": row.account_id,
        "receivedAt": row.received_at,
        "detail": row.detail if reveal and isinstance(row.detail, dict) else None,
    }


def masked(number: str | None, *, reveal: bool) -> str | None:
    """A number; masked, what tells two of them apart is left."""
    return number if reveal or not number else "*" * (len(number) - 2) + number[-2:]


def _there(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
