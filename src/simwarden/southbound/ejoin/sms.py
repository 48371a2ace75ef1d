"""Short messages: what SIMs received, what the gateway sent, how its sending tasks fare (4.3, 4.5, v2.2, v3)."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.fields import Fields, spellings, take_position
from simwarden.southbound.ejoin.normalise import Unreadable
from simwarden.southbound.ejoin.sms_messages import (
    CardLocation,
    ContentEncoding,
    ReceivedSms,
    SentSms,
    SmsKind,
    SmsOutcome,
    SmsRow,
    SmsTask,
    SmsTaskStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_RECEIVED_KEYS = spellings(("type", "mac", "sim_src", "sms_num", "sms", "smses"), {})
_ROW_KEYS = spellings(
    ("is_report", "port", "slot", "ts", "from", "to", "iccid", "imsi", "imei", "sms", "status"),
    {"timestamp": "ts"},  # the polled form, v3 get_received_smses
)
_SENT_KEYS = spellings(
    (
        *("type", "mac", "sim_src", "port", "seq", "sms_tid", "src_type", "src_ip", "src_port"),
        *("status", "time", "dur", "recver", "smsc", "charset", "data"),
    ),
    {"smse": "smsc"},  # the scan of 4.5
)
_REPORT_KEYS = spellings(("type", "mac", "rpt_num", "rpts", "statuses"), {})
_TASK_KEYS = spellings(("tid", "sending", "sent", "failed", "unsent", "sdr", "fdr"), {})
_OUTCOME_KEYS = spellings(("seq", "number", "port", "slot", "ts", "cost", "code", "gsm_cause"), {})

_HEADER_NAMES = frozenset({"sender", "receiver", "smsc", "scts", "slot"})
_HEADER_LINE = re.compile(r"([A-Za-z]{1,16}): ?([^\r\n]*)\r?\n")
_BLANK_LINE = re.compile(r"\r?\n")
_QUOTED_POSITION = re.compile(r'\s*"[^"]*"\s*')


def split_headers(content: str) -> tuple[dict[str, str] | None, str]:
    """The header block some firmware puts before the text, names in lower case, and the text after its blank line.

    A block counts only when it begins with a known header name and ends in a blank line: otherwise it is text.
    """
    headers: dict[str, str] = {}
    at = 0
    while (line := _HEADER_LINE.match(content, at)) and len(headers) < 16:
        name = line[1].lower()
        if not headers and name not in _HEADER_NAMES:
            return None, content
        headers[name] = normalise.clean(line[2]).strip()
        at = line.end()
    end = _BLANK_LINE.match(content, at)
    if not headers or not end:
        return None, content
    return headers, content[end.end() :]


def open_content(content: str) -> tuple[str, ContentEncoding]:
    """Row content as text. Plain words can look like base64, so what decodes to no text is taken as it stands."""
    try:
        data = binascii.a2b_base64("".join(content.split()), strict_mode=True)
    except ValueError:  # binascii.Error, or characters outside ASCII
        return content, ContentEncoding.PLAIN
    try:
        return data.decode(), ContentEncoding.BASE64
    except UnicodeDecodeError:
        if not data.startswith((b"Sender:", b"Receiver:", b"SMSC:")):
            return content, ContentEncoding.PLAIN
    try:
        return data.decode("gb18030"), ContentEncoding.BASE64_OTHER
    except UnicodeDecodeError:
        return data.decode("latin-1"), ContentEncoding.BASE64_OTHER


def _body(text: str) -> str | None:
    # Not trimmed: blanks and line ends belong to what the sender wrote.
    return normalise.clean(text) or None


def _content(value: object) -> str:
    return normalise.as_text(value)


def _sms_row(fields: Fields, position: normalise.Position, content: str) -> SmsRow:
    opened, encoding = open_content(content)
    headers, text = split_headers(opened)
    sender = fields.take("from", normalise.text)
    receiver = fields.take("to", normalise.text)
    if headers is not None:
        sender = sender or headers.get("sender") or None
        # `Receiver: "12.01" 1646…`: the position comes first (seen in client code).
        receiver = receiver or _QUOTED_POSITION.sub("", headers.get("receiver", "")).strip() or None
    return SmsRow(
        kind=SmsKind.SMS,
        port=position.port,
        slot=position.slot,
        pool=position.pool,
        pool_slot=position.pool_slot,
        at=fields.take("ts", normalise.epoch),
        sender=sender,
        receiver=receiver,
        text=_body(text),
        encoding_flag=encoding,
        headers=headers,
        iccid=fields.take("iccid", normalise.iccid),
        imsi=fields.take("imsi", normalise.digits),
        imei=fields.take("imei", normalise.digits),
        raw_content=normalise.raw_content(content),
        extra=fields.rest(),
    )


def _report_row(fields: Fields, position: normalise.Position, content: str) -> SmsRow:
    code, time = fields.take_pair("status", normalise.code)
    if code is None and time is None:
        try:
            code, time = normalise.code(content)
        except Unreadable:
            fields.keep("sms", content)
    elif not content:
        content = normalise.as_text(code)  # v3 gives the code apart and no content
    return SmsRow(
        kind=SmsKind.REPORT,
        port=position.port,
        slot=position.slot,
        pool=position.pool,
        pool_slot=position.pool_slot,
        at=fields.take("ts", normalise.epoch),
        sender=fields.take("from", normalise.text),
        receiver=fields.take("to", normalise.text),
        report_code=code,
        report_time=time,
        iccid=fields.take("iccid", normalise.iccid),
        imsi=fields.take("imsi", normalise.digits),
        imei=fields.take("imei", normalise.digits),
        raw_content=normalise.raw_content(content),
        extra=fields.rest(),
    )


def _keyed_row(raw: Mapping[str, object]) -> SmsRow | None:
    """A row in the form of v3; None when it cannot be read."""
    fields = Fields(raw, _ROW_KEYS)
    position = take_position(fields)
    if position is None:
        return None
    is_report = fields.take("is_report", normalise.flag)
    content = fields.take("sms", _content) or ""
    return (_report_row if is_report else _sms_row)(fields, position, content)


def _listed_row(row: list[object]) -> SmsRow | None:
    """A row in the form of 4.3: at least six positions, newer firmware appends ICCID, IMSI and IMEI."""
    if len(row) < 6:
        return None
    keyed: dict[str, object] = {str(index): value for index, value in enumerate(row[9:], start=9)}
    keyed |= {"is_report": row[0], "port": row[1], "ts": row[2], "from": row[3], "to": row[4], "sms": row[5]}
    keyed |= dict(zip(("iccid", "imsi", "imei"), row[6:9], strict=False))
    return _keyed_row(keyed)


def _row(item: object) -> SmsRow | None:
    if isinstance(item, list):
        return _listed_row(item)
    return _keyed_row(item) if isinstance(item, dict) else None


def read_received(raw: Mapping[str, object]) -> ReceivedSms:
    """`recv-sms` (4.3) or `received-sms` (v3)."""
    fields = Fields(raw, _RECEIVED_KEYS)
    fields.drop("type", "sms_num")
    rows: list[SmsRow] = []
    for name in ("sms", "smses"):
        unread: list[object] = []
        for item in fields.take(name, _as_list) or []:
            row = _row(item)
            if row is None:
                unread.append(item)
            else:
                rows.append(row)
        if unread:
            fields.keep(name, unread)
    source = fields.take("sim_src", normalise.sim_source)
    if source is None:
        remote = bool(rows) and all(row.pool is not None for row in rows)
        source = CardLocation.REMOTE if remote else CardLocation.LOCAL
    return ReceivedSms(mac=fields.take("mac", normalise.mac), source=source, messages=tuple(rows), extra=fields.rest())


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable
    return value


def read_sent(raw: Mapping[str, object]) -> SentSms:
    """`sent-sms` (4.5)."""
    fields = Fields(raw, _SENT_KEYS)
    fields.drop("type")
    position = fields.take("port", normalise.position)
    status, status_text = fields.take_pair("status", normalise.code)
    charset = fields.take("charset", normalise.text)
    text, encoding = fields.take("data", _content) or "", ContentEncoding.PLAIN
    if charset is not None and normalise.squash(charset) == "base64":
        text, encoding = open_content(text)
    source = fields.take("sim_src", normalise.sim_source)
    return SentSms(
        mac=fields.take("mac", normalise.mac),
        source=source or (CardLocation.REMOTE if position and position.pool else CardLocation.LOCAL),
        port=position.port if position else None,
        slot=position.slot if position else None,
        pool=position.pool if position else None,
        pool_slot=position.pool_slot if position else None,
        sequence=fields.take("seq", normalise.integer),
        task_id=fields.take("sms_tid", normalise.integer),
        source_type=fields.take("src_type", normalise.integer),
        source_ip=fields.take("src_ip", normalise.ip),
        source_port=fields.take("src_port", normalise.integer),
        status=status,
        status_text=status_text,
        at=fields.take("time", normalise.epoch),
        duration_ms=fields.take("dur", normalise.integer),
        recipient=fields.take("recver", normalise.text),
        smsc=fields.take("smsc", normalise.text),
        charset=charset,
        text=_body(text),
        encoding_flag=encoding,
        extra=fields.rest(),
    )


def _outcome(item: object) -> SmsOutcome | None:
    if isinstance(item, list):
        # v2.2: [index, number, port, time] and, of a failure, [… , "code reason", "carrier's reason"]
        if len(item) < 4:
            return None
        names = ("seq", "number", "port", "ts", "code", "gsm_cause")
        item = dict(zip(names, item, strict=False))
    if not isinstance(item, dict):
        return None
    fields = Fields(item, _OUTCOME_KEYS)
    position = take_position(fields)
    code, reason = fields.take_pair("code", normalise.code)
    return SmsOutcome(
        index=fields.take("seq", normalise.integer),
        number=fields.take("number", normalise.text),
        port=position.port if position else None,
        slot=position.slot if position else None,
        at=fields.take("ts", normalise.epoch),
        cost_ms=fields.take("cost", normalise.integer),
        code=code,
        reason=reason,
        cause=fields.take("gsm_cause", normalise.text),
    )


def _outcomes(fields: Fields, name: str) -> tuple[SmsOutcome, ...]:
    found: list[SmsOutcome] = []
    unread: list[object] = []
    for item in fields.take(name, _as_list) or []:
        outcome = _outcome(item)
        if outcome is None:
            unread.append(item)
        else:
            found.append(outcome)
    if unread:
        fields.keep(name, unread)
    return tuple(found)


def _task(raw: Mapping[str, object]) -> SmsTask:
    fields = Fields(raw, _TASK_KEYS)
    return SmsTask(
        task_id=fields.take("tid", normalise.integer),
        sending=fields.take("sending", normalise.integer),
        sent=fields.take("sent", normalise.integer),
        failed=fields.take("failed", normalise.integer),
        unsent=fields.take("unsent", normalise.integer),
        successes=_outcomes(fields, "sdr"),
        failures=_outcomes(fields, "fdr"),
        extra=fields.rest(),
    )


def read_task_status(raw: Mapping[str, object]) -> SmsTaskStatus:
    """`status-report` (v2.2) or `sms-sent-status` (v3)."""
    fields = Fields(raw, _REPORT_KEYS)
    fields.drop("type", "rpt_num")
    tasks: list[SmsTask] = []
    for name in ("rpts", "statuses"):
        items = fields.take(name, _as_list) or []
        tasks += [_task(item) for item in items if isinstance(item, dict)]
        unread = [item for item in items if not isinstance(item, dict)]
        if unread:
            fields.keep(name, unread)
    return SmsTaskStatus(mac=fields.take("mac", normalise.mac), tasks=tuple(tasks), extra=fields.rest())


def read_plain(query: Mapping[str, str], content: str) -> ReceivedSms:
    """The form of old devices: the text as body, `iccid`, `sender`, `port`, `mac` in the query."""
    fields = Fields(query, spellings(("iccid", "sender", "port", "mac"), {}))
    position = fields.take("port", normalise.position)
    row = SmsRow(
        kind=SmsKind.SMS,
        port=position.port if position else None,
        slot=position.slot if position else None,
        pool=position.pool if position else None,
        pool_slot=position.pool_slot if position else None,
        sender=fields.take("sender", normalise.text),
        text=_body(content),
        iccid=fields.take("iccid", normalise.iccid),
        raw_content=normalise.raw_content(content),
    )
    source = CardLocation.REMOTE if row.pool else CardLocation.LOCAL
    return ReceivedSms(mac=fields.take("mac", normalise.mac), source=source, messages=(row,), extra=fields.rest())
