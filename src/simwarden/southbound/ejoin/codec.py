"""Bytes from an Ejoin gateway to typed messages. No I/O, no clock.

`decode` is the whole interface; `decode_plain_sms` is for the few old devices that post no JSON. The types are in
`messages` and `sms_messages`, the single values in `normalise`. Devices are expected to send valid JSON; the damage
this module tolerates is that of the printed document and of firmware that spells keys its own way.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from simwarden.domain.gateway_status import STATUS_MEANING
from simwarden.southbound.ejoin import fastpath, normalise, sms
from simwarden.southbound.ejoin.fields import PORT_KEYS, Fields, read_report, spellings
from simwarden.southbound.ejoin.messages import (
    CallDetailRecord,
    CallDirection,
    Counter,
    Decoded,
    DeviceStatus,
    Keepalive,
    Message,
    PortReport,
    PortStatus,
    PortUse,
    Undecodable,
    Unknown,
    port_state,
)
from simwarden.southbound.ejoin.normalise import Unreadable, squash
from simwarden.southbound.ejoin.sms_messages import (
    CardLocation,
    ContentEncoding,
    ReceivedSms,
    SentSms,
    SmsKey,
    SmsKind,
    SmsOutcome,
    SmsRow,
    SmsTask,
    SmsTaskStatus,
    idempotency_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "STATUS_MEANING",
    "CallDetailRecord",
    "CallDirection",
    "CardLocation",
    "ContentEncoding",
    "Counter",
    "Decoded",
    "DeviceStatus",
    "Keepalive",
    "Message",
    "PortReport",
    "PortStatus",
    "PortUse",
    "ReceivedSms",
    "SentSms",
    "SmsKey",
    "SmsKind",
    "SmsOutcome",
    "SmsRow",
    "SmsTask",
    "SmsTaskStatus",
    "Undecodable",
    "Unknown",
    "decode",
    "decode_plain_sms",
    "decode_tolerant",
    "idempotency_key",
    "port_state",
]

MAX_MESSAGES = 4096
"""Most objects in an array body."""

_DEVICE_KEYS = spellings(
    ("type", "seq", "expires", "mac", "ip", "ver", "max-ports", "max-slots", "status"), {"maxslot": "max-slots"}
)
_CALL_FIELDS = (
    *("mac", "ip", "sip_usr", "cid", "cdir", "caller", "callee"),
    *("begin", "alert", "answer", "update", "end", "reason", "gw_reason"),
)
_CALL_KEYS = PORT_KEYS | spellings(_CALL_FIELDS, {"gwtreason": "gw_reason"})  # the scan of 4.4

_REPAIRS = str.maketrans("“”„‟＂：，｛｝［］", '""""":,{}[]')
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_LATIN1 = re.compile(r"charset\s*=\s*\"?(?:iso-?8859-1|latin-?1|us-ascii)", re.IGNORECASE)
_ENDS = "\ufeff\0 \t\r\n"


def _text(body: bytes, content_type: str | None) -> str:
    """The body as text: UTF-8, else GB18030 (Chinese firmware; skipped when Latin-1 is declared), else Latin-1."""
    encodings = ["utf-8", "latin-1"] if content_type and _LATIN1.search(content_type) else ["utf-8", "gb18030"]
    for encoding in encodings:
        try:
            return body.decode(encoding).strip(_ENDS)
        except UnicodeDecodeError:
            continue
    return body.decode("latin-1").strip(_ENDS)


def _json_integer(digits: str) -> int | str:
    # Longer ones fit no field; Python itself refuses those above 4300 digits with an error of its own.
    return int(digits) if len(digits) <= 32 else digits[: normalise.MAX_TEXT]


def _json(text: str) -> object:
    try:
        return json.loads(text, strict=False, parse_int=_json_integer, parse_constant=lambda _: None)
    except RecursionError:
        raise Undecodable("The body is nested too deep.") from None


def _parse(text: str) -> tuple[object, bool]:
    """The JSON value of `text`, and whether it took a repair."""
    try:
        return _json(text), False
    except ValueError as error:
        reason = f"The body is not JSON: {error}."
    try:
        return _json(_TRAILING_COMMA.sub(r"\1", text.translate(_REPAIRS))), True
    except ValueError:
        raise Undecodable(reason) from None


def _port_status(raw: Mapping[str, object]) -> Message | None:
    report = read_report(Fields(raw, PORT_KEYS))
    return None if report is None else PortStatus(report)


def _device_status(raw: Mapping[str, object]) -> DeviceStatus:
    fields = Fields(raw, _DEVICE_KEYS)
    fields.drop("type")
    items = fields.take("status", _port_objects) or []
    reports: list[PortReport] = []
    unread: list[object] = []
    for item in items:
        report = read_report(Fields(item, PORT_KEYS)) if isinstance(item, dict) else None
        if report is None:
            unread.append(item)
        else:
            reports.append(report)
    if unread:
        fields.keep("status", unread)
    take = fields.take
    return DeviceStatus(
        sequence=take("seq", normalise.integer),
        expires=take("expires", normalise.integer),
        mac=take("mac", normalise.mac),
        ip=take("ip", normalise.ip),
        version=take("ver", normalise.text),
        max_ports=take("max-ports", normalise.integer),
        max_slots=take("max-slots", normalise.integer),
        ports=tuple(reports),
        extra=fields.rest(),
    )


def _port_objects(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable
    if len(value) > fastpath.MAX_PORTS:
        raise Undecodable(f"The message has {len(value)} port objects, at most {fastpath.MAX_PORTS} are read.")
    return value


def _call_record(raw: Mapping[str, object]) -> CallDetailRecord | None:
    fields = Fields(raw, _CALL_KEYS)
    take = fields.take
    reason_code, reason = fields.take_pair("reason", normalise.code)
    gw_reason_code, gw_reason = fields.take_pair("gw_reason", normalise.code)
    mac, ip = take("mac", normalise.mac), take("ip", normalise.ip)
    sip_user, call_id = take("sip_usr", normalise.text), take("cid", normalise.call_id)
    caller, callee = take("caller", normalise.text), take("callee", normalise.text)
    direction = take("cdir", normalise.direction)
    times = [take(name, normalise.epoch) for name in ("begin", "alert", "answer", "update", "end")]
    report = read_report(fields)
    if report is None:
        return None
    return CallDetailRecord(
        report=report,
        mac=mac,
        ip=ip,
        sip_user=sip_user,
        call_id=call_id,
        direction=direction,
        caller=caller,
        callee=callee,
        begin_at=times[0],
        alert_at=times[1],
        answer_at=times[2],
        update_at=times[3],
        end_at=times[4],
        reason_code=reason_code,
        reason=reason,
        gw_reason_code=gw_reason_code,
        gw_reason=gw_reason,
    )


_READERS: Mapping[str, Callable[[Mapping[str, object]], Message | None]] = {
    "portstatus": _port_status,
    "devstatus": _device_status,
    "recvsms": sms.read_received,
    "revesms": sms.read_received,  # the prose of 4.3 and 4.5
    "receivedsms": sms.read_received,
    "cdr": _call_record,
    "edr": _call_record,  # the table of 4.4
    "sentsms": sms.read_sent,
    "statusreport": sms.read_task_status,
    "smssentstatus": sms.read_task_status,
}


def _message(raw: dict[str, object]) -> Message:
    keys = {squash(key): key for key in reversed(raw)}
    kind = raw.get("type", raw.get(keys.get("type", "type")))
    reader = _READERS.get(squash(kind)) if isinstance(kind, str) else None
    message = reader(raw) if reader else None
    if message is not None:
        return message
    if kind is None and "etmsusr" in keys:
        fields = Fields(raw, {"etmsusr": "etms_usr"})
        return Keepalive(fields.take("etms_usr", normalise.text), fields.rest())
    name = normalise.clean(kind) if isinstance(kind, str) else None
    return Unknown(name, normalise.storable_object(raw))


def decode_tolerant(body: bytes, content_type: str | None = None) -> Decoded:
    """`decode` without the quick way for well-spelt messages: the same result, more slowly."""
    text = _text(body, content_type)
    if not text:
        raise Undecodable("The body is empty.")
    value, repaired = _parse(text)
    items = value if isinstance(value, list) else [value]
    if not items:
        raise Undecodable("The body is an empty array.")
    if len(items) > MAX_MESSAGES:
        raise Undecodable(f"The body has {len(items)} messages, at most {MAX_MESSAGES} are read.")
    messages: list[Message] = []
    ports = 0
    for item in items:
        if not isinstance(item, dict):
            raise Undecodable("The body is neither an object nor an array of objects.")
        message = _message(item)
        if isinstance(message, DeviceStatus):
            ports += len(message.ports)
            if ports > fastpath.MAX_PORTS:
                raise Undecodable(f"The body has more than {fastpath.MAX_PORTS} port objects.")
        messages.append(message)
    return Decoded(tuple(messages), repaired)


def decode(body: bytes, content_type: str | None = None) -> Decoded:
    """The messages a gateway posted.

    `body` is one JSON object or an array of them; `content_type` is the request's header, used only for a declared
    Latin-1. Raises `Undecodable`, and nothing else, for bytes that are no such thing. An object of an unknown type is a
    message (`Unknown`), not an error.
    """
    message = fastpath.decode(body)
    return decode_tolerant(body, content_type) if message is None else Decoded((message,))


def decode_plain_sms(query: Mapping[str, str], body: bytes, content_type: str | None = None) -> Decoded:
    """The short message of an old device, which posts the text as body and says the rest in the query.

    Seen in client code, in no document. `query` has `iccid`, `sender`, `port`, `mac`, in any case and not all of them.
    Raises `Undecodable` when neither the card nor its port can be told. The row has no time: the device sends none.
    """
    message = sms.read_plain(query, _text(body, content_type))
    row = message.messages[0]
    if row.iccid is None and row.port is None:
        raise Undecodable("The query names neither an ICCID nor a port.")
    return Decoded((message,))
