"""From what an Ejoin gateway says to what the engine understands."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei
from simwarden.domain.reports import CallRecord, Evidence, GatewayFacts, PortObservation, Report, SmsRecord
from simwarden.southbound.ejoin import codec as ejoin
from simwarden.southbound.ejoin import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.store.gateways import GatewayRef

_LOCKED = frozenset({7, 12})
_REMOVED = 0
_INT32 = range(-(2**31), 2**31)
Dropped = list[str]
"""Names of numbers that were left out, because no column can hold them. As reported they stand in `detail`."""


def _fits(number: int | None, name: str, dropped: Dropped) -> int | None:
    """The number if a column can hold it. No honest gateway sends another; the rest of its report still counts."""
    if number is None or number in _INT32:
        return number
    dropped.append(name)
    return None


@lru_cache(maxsize=65_536)
def imei_key(text: str | None) -> str | None:
    """The 14 digits that identify a device; None when they cannot be read. Unknown is a verdict, not an error."""
    if text is None:
        return None
    try:
        return parse_imei(text).key
    except InvalidIdentifier:
        return None


def observe(report: ejoin.PortReport, dropped: Dropped) -> PortObservation:
    """A port object (document 4.1). `st` 7 and 12 are locks; an empty slot (0) does not show whether it is locked."""
    status = _fits(report.status, "st", dropped)
    return PortObservation(
        port=report.port,
        slot=report.slot or 0,
        sequence=report.sequence,
        status=status,
        status_text=report.status_text,
        locked=None if status is None or status == _REMOVED else status in _LOCKED,
        imei=imei_key(report.imei),
        imsi=report.imsi,
        iccid=report.iccid,
        msisdn=report.msisdn,
        plmn=report.plmn,
        operator=report.operator,
        signal=_fits(report.signal, "sig", dropped),
        counters=None if report.counters is None and report.balance is None else report,
        detail=report,
    )


def to_report(
    gateway: GatewayRef,
    message: ejoin.Message,
    body: bytes,
    now: datetime,
    *,
    polled: bool = False,
    dropped: Dropped | None = None,
) -> Report:
    """One decoded message as a report received at `now`. Names of numbers that cannot be stored go into `dropped`."""
    dropped = [] if dropped is None else dropped
    base = Report(gateway_id=gateway.id, gateway_name=gateway.name, received_at=now, message=type_of(message))
    if isinstance(message, ejoin.DeviceStatus):
        return _replace(
            base,
            whole=True,
            polled=polled,
            digest=hashlib.sha256(body).digest()[:16],
            sequence=message.sequence,
            facts=GatewayFacts(
                mac=message.mac,
                address=message.ip,
                version=message.version,
                max_ports=_fits(message.max_ports, "max-ports", dropped),
                max_slots=_fits(message.max_slots, "max-slots", dropped),
            ),
            ports=tuple(observe(port, dropped) for port in message.ports),
        )
    if isinstance(message, ejoin.PortStatus):
        return _replace(base, ports=(observe(message.report, dropped),))
    if isinstance(message, ejoin.ReceivedSms):
        rows = message.messages
        return _replace(
            base,
            sms=tuple(_received(row, now, dropped) for row in rows),
            evidence=tuple(_evidence((row.at,), row.imsi, row.iccid, row.imei, row.port, row.slot) for row in rows),
        )
    if isinstance(message, ejoin.CallDetailRecord):
        call = message
        times = (call.begin_at, call.alert_at, call.answer_at, call.update_at, call.end_at)
        port = call.report
        return _replace(
            base,
            calls=(_call(call, dropped),),
            evidence=(_evidence(times, port.imsi, port.iccid, port.imei, port.port, port.slot),),
        )
    if isinstance(message, ejoin.SentSms):
        return _replace(base, sms=(_sent(message, now, dropped),))
    if isinstance(message, ejoin.SmsTaskStatus):
        return _replace(base, sms=tuple(_outcomes(message, now, dropped)))
    return base


def type_of(message: ejoin.Message) -> str:
    """The vendor's name of a message."""
    return "unknown" if isinstance(message, ejoin.Unknown) else _NAMES[type(message)]


_NAMES: dict[type[object], str] = {
    ejoin.PortStatus: "port-status",
    ejoin.DeviceStatus: "dev-status",
    ejoin.ReceivedSms: "recv-sms",
    ejoin.CallDetailRecord: "cdr",
    ejoin.SentSms: "sent-sms",
    ejoin.SmsTaskStatus: "sms-sent-status",
    ejoin.Keepalive: "keepalive",
}


def _replace(base: Report, **fields: object) -> Report:
    given = {name: getattr(base, name) for name in ("gateway_id", "gateway_name", "received_at", "message")}
    if "evidence" in fields:
        evidence = fields["evidence"]
        assert isinstance(evidence, tuple)
        fields["evidence"] = tuple(item for item in evidence if item is not None)
    return Report(**given, **fields)  # type: ignore[arg-type]


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _evidence(
    times: Iterable[int | None],
    imsi: str | None,
    iccid: str | None,
    imei: str | None,
    port: int | None,
    slot: int | None,
) -> Evidence | None:
    """A record with a time, a SIM and a readable device tells where the SIM was; any other tells nothing."""
    key = imei_key(imei)
    at = max((seconds for seconds in times if seconds is not None), default=None)
    if at is None or key is None or not (imsi or iccid):
        return None
    return Evidence(imsi=imsi, iccid=iccid, imei=key, at=datetime.fromtimestamp(at, UTC), port=port, slot=slot or 0)


def _key(*parts: object) -> bytes:
    return hashlib.sha256("\n".join("" if part is None else str(part) for part in parts).encode()).digest()


def _received(row: ejoin.SmsRow, now: datetime, dropped: Dropped) -> SmsRecord:
    """Document 4.3; idempotent on (device, position, time, sender, SHA-256 of the content)."""
    is_report = row.kind is ejoin.SmsKind.REPORT
    headers = row.headers or {}
    return SmsRecord(
        # Old devices send no time: the minute of receipt tells a retry from the same words said again.
        key=_key(row.kind, *ejoin.idempotency_key(row), "" if row.at else now.replace(second=0, microsecond=0)),
        direction="report" if is_report else "inbound",
        at=_time(row.at) or now,
        imsi=row.imsi,
        iccid=row.iccid,
        port=row.port,
        slot=row.slot,
        pool=row.pool,
        pool_slot=row.pool_slot,
        sender=row.sender,
        receiver=row.receiver,
        content=row.text,
        status=_fits(row.report_code, "status", dropped),
        status_text=words.DELIVERY_CODES.get(row.report_code) if row.report_code is not None else None,
        sent_at=words.centre_time(row.report_time if is_report else headers.get("scts"), row.at),
        smsc=row.sender if is_report else headers.get("smsc"),
        encoding=None if is_report else str(row.encoding_flag),
        detail=row,
    )


def _sent(message: ejoin.SentSms, now: datetime, dropped: Dropped) -> SmsRecord:
    """Document 4.5, which gives no key: the task, place, time, recipient and text identify a sent message."""
    position = (message.port, message.slot, message.pool, message.pool_slot)
    return SmsRecord(
        key=_key("sent", *position, message.at, message.task_id, message.recipient, message.text),
        direction="outbound",
        at=_time(message.at) or now,
        port=message.port,
        slot=message.slot,
        pool=message.pool,
        pool_slot=message.pool_slot,
        receiver=message.recipient,
        content=message.text,
        status=_fits(message.status, "status", dropped),
        status_text=_in_words(message.status, message.status_text),
        smsc=message.smsc,
        task=_fits(message.task_id, "sms_tid", dropped),
        took_ms=_fits(message.duration_ms, "dur", dropped),
        encoding=message.charset,
        detail=message,
    )


def _outcomes(message: ejoin.SmsTaskStatus, now: datetime, dropped: Dropped) -> Iterable[SmsRecord]:
    """Task reports (v2.2 status-report, v3 sms-sent-status): one record per recipient that succeeded or failed."""
    for task in message.tasks:
        for failed, outcomes in ((False, task.successes), (True, task.failures)):
            for outcome in outcomes:
                yield SmsRecord(
                    key=_key("task", task.task_id, failed, outcome.index, outcome.number, outcome.port, outcome.at),
                    direction="task",
                    at=_time(outcome.at) or now,
                    port=outcome.port,
                    slot=outcome.slot,
                    receiver=outcome.number,
                    status=_fits(outcome.code, "code", dropped) if failed else 0,
                    status_text=_outcome_in_words(outcome) if failed else words.TASK_CODES[0],
                    task=_fits(task.task_id, "tid", dropped),
                    took_ms=_fits(outcome.cost_ms, "cost", dropped),
                    detail=outcome,
                )


def _call(call: ejoin.CallDetailRecord, dropped: Dropped) -> CallRecord:
    """Document 4.4; several pushes with one Call-ID are one call. Without one, place and begin identify it."""
    port = call.report
    return CallRecord(
        call_id=call.call_id or f"{port.port}.{port.slot or 0}@{call.begin_at or 0}",
        imsi=port.imsi,
        iccid=port.iccid,
        port=port.port,
        slot=port.slot,
        direction=call.direction,
        caller=call.caller,
        callee=call.callee,
        begin_at=_time(call.begin_at),
        alert_at=_time(call.alert_at),
        answer_at=_time(call.answer_at),
        update_at=_time(call.update_at),
        end_at=_time(call.end_at),
        reason_code=_fits(call.reason_code, "reason", dropped),
        reason=call.reason,
        cause_code=_fits(call.gw_reason_code, "gw_reason", dropped),
        cause=call.gw_reason or words.CALL_CAUSES.get(call.gw_reason_code or 0),
        detail=call,
    )


def _in_words(code: int | None, text: str | None) -> str | None:
    """What the gateway says of a code, else what its documents say."""
    return text or (None if code is None else words.TASK_CODES.get(code))


def _outcome_in_words(outcome: ejoin.SmsOutcome) -> str | None:
    found = _in_words(outcome.code, outcome.reason)
    carrier = f"carrier: {outcome.cause}" if outcome.cause else None
    return "; ".join(part for part in (found, carrier) if part) or None
