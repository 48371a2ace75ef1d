"""What an Ejoin gateway says about short messages, as frozen types: received, sent, and on their way.

What `messages` says of clauses, texts, numbers and `extra` holds here too.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

import msgspec


class CardLocation(StrEnum):
    """Where the card sits: in the gateway itself, or in a SIM pool elsewhere (`sim_src`, 4.3)."""

    LOCAL = "local"
    REMOTE = "remote"


class SmsKind(StrEnum):
    """What a received row is: a short message, or the network's report on one sent earlier (4.3, row position 0)."""

    SMS = "sms"
    REPORT = "report"


class ContentEncoding(StrEnum):
    """How the content of a short message arrived."""

    BASE64 = "base64"
    """base64 of UTF-8, as documented."""

    BASE64_OTHER = "base64_other"
    """base64 of a header block that is not UTF-8; read as GB18030 or Latin-1."""

    PLAIN = "plain"
    """Not base64 (or base64 of something that is not text): taken as it stands."""


class SmsRow(msgspec.Struct, frozen=True):
    """One short message a SIM received, or one delivery report (4.3 rows; v3 `smses`)."""

    kind: SmsKind
    """Short message or delivery report (row position 0; v3 `is_report`)."""

    port: int | None = None
    """Working port (row position 1; v3 `port`). None only in the plain-text form of old devices."""

    slot: int | None = None
    """Slot of that port (row position 1; v3 `slot`); None for a remote card."""

    pool: str | None = None
    """SIM pool of a remote card (row position 1, middle part)."""

    pool_slot: int | None = None
    """Slot within the pool (row position 1, last part)."""

    at: int | None = None
    """When the gateway took it from the network, epoch seconds (row position 2; v3 `ts`)."""

    sender: str | None = None
    """Sender, digits or a name; of a report the message centre (row position 3; v3 `from`)."""

    receiver: str | None = None
    """Receiver; of a report the recipient of the message it is about (row position 4; v3 `to`)."""

    text: str | None = None
    """The text without the header block, at most 4096 characters; None for a report."""

    encoding_flag: ContentEncoding = ContentEncoding.PLAIN
    """How the content arrived (row position 5)."""

    headers: dict[str, str] | None = None
    """Header block before the text, names in lower case: sender, receiver, smsc, scts, slot (seen in client code)."""

    report_code: int | None = None
    """Of a report: 0 delivered, others depend on the module (row position 5, first number; v3 `status`)."""

    report_time: str | None = None
    """Of a report: the operator's timestamp as it stands (row position 5, rest)."""

    iccid: str | None = None
    """ICCID of the card, newer firmware only (row position 6; v3 `iccid`)."""

    imsi: str | None = None
    """IMSI of the card, newer firmware only (row position 7; v3 `imsi`)."""

    imei: str | None = None
    """IMEI of the module, newer firmware only (row position 8; v3 `imei`)."""

    raw_content: str = ""
    """The content as received (row position 5), for the idempotency key; one over 4096 characters is cut and ends in
    its SHA-256."""

    extra: dict[str, object] | None = None
    """Further row positions by number (v3: keys), and values that could not be read."""


class ReceivedSms(msgspec.Struct, frozen=True):
    """`recv-sms` (4.3) and v3 `received-sms`: short messages and delivery reports the gateway received."""

    mac: str | None = None
    """The gateway's MAC address, 12 lower-case hex digits; v3 only."""

    source: CardLocation = CardLocation.LOCAL
    """Whether the rows are about cards in the gateway or in a pool (4.3 `sim_src`)."""

    messages: tuple[SmsRow, ...] = ()
    """The rows (4.3 `sms`; v3 `smses`). `sms_num` is not trusted."""

    extra: dict[str, object] | None = None
    """Keys no field is for, unreadable values, and under `sms` (v3 `smses`) the rows that could not be read."""


class SentSms(msgspec.Struct, frozen=True):
    """`sent-sms` (4.5, whose table breaks off: most fields are read by the names in its example)."""

    mac: str | None = None
    """The gateway's MAC address, 12 lower-case hex digits (`mac`)."""

    source: CardLocation = CardLocation.LOCAL
    """Whether the card sits in the gateway or in a pool (4.5 `sim_src`)."""

    port: int | None = None
    """Working port (`port`)."""

    slot: int | None = None
    """Slot of that port (`port`)."""

    pool: str | None = None
    """SIM pool of a remote card (`port`)."""

    pool_slot: int | None = None
    """Slot within the pool (`port`)."""

    sequence: int | None = None
    """Counter of these messages (`seq`)."""

    task_id: int | None = None
    """The `tid` of the task that asked for it (`sms_tid`)."""

    source_type: int | None = None
    """Who asked for it (`src_type`); the values are not documented."""

    source_ip: str | None = None
    """Address of who asked (`src_ip`)."""

    source_port: int | None = None
    """TCP or UDP port of who asked (`src_port`)."""

    status: int | None = None
    """Result code, 0 is sent (`status`; codes in the table of the HTTP API)."""

    status_text: str | None = None
    """Words after the code (`status`)."""

    at: int | None = None
    """When it was sent, epoch seconds (`time`)."""

    duration_ms: int | None = None
    """How long sending took, milliseconds (`dur`)."""

    recipient: str | None = None
    """Destination (`recver`)."""

    smsc: str | None = None
    """Message centre (`smsc`)."""

    charset: str | None = None
    """How `data` was given: `UTF-8`, `base64`, `PDU` (`charset`)."""

    text: str | None = None
    """The text, at most 4096 characters (`data`)."""

    encoding_flag: ContentEncoding = ContentEncoding.PLAIN
    """How the text arrived."""

    extra: dict[str, object] | None = None
    """Keys no field is for, and known keys whose value could not be read."""


class SmsOutcome(msgspec.Struct, frozen=True):
    """What became of one recipient of a task (an entry of `sdr` or `fdr`)."""

    index: int | None = None
    """Number of the recipient within the task (v2 position 0; v3 `seq`)."""

    number: str | None = None
    """The recipient (v2 position 1; v3 `number`)."""

    port: int | None = None
    """Working port (v2 position 2; v3 `port`)."""

    slot: int | None = None
    """Slot of that port (v2 position 2; v3 `slot`)."""

    at: int | None = None
    """Epoch seconds (v2 position 3; v3 `ts`)."""

    cost_ms: int | None = None
    """How long sending took, milliseconds (v3 `cost`)."""

    code: int | None = None
    """Why it failed, table of the HTTP API (v2 position 4, leading number; v3 `code`)."""

    reason: str | None = None
    """Words after that code (v2 position 4)."""

    cause: str | None = None
    """What the carrier said (v2 position 5; v3 `gsm_cause`)."""


class SmsTask(msgspec.Struct, frozen=True):
    """Progress of one sending task."""

    task_id: int | None = None
    """The task (`tid`)."""

    sending: int | None = None
    """Messages under way (`sending`)."""

    sent: int | None = None
    """Messages sent so far (`sent`)."""

    failed: int | None = None
    """Messages failed so far (`failed`)."""

    unsent: int | None = None
    """Messages still to send (`unsent`)."""

    successes: tuple[SmsOutcome, ...] = ()
    """Recipients served since the last report (`sdr`)."""

    failures: tuple[SmsOutcome, ...] = ()
    """Recipients failed since the last report (`fdr`)."""

    extra: dict[str, object] | None = None
    """Keys no field is for, and what could not be read."""


class SmsTaskStatus(msgspec.Struct, frozen=True):
    """`status-report` (v2.2) and v3 `sms-sent-status`: progress of sending tasks."""

    mac: str | None = None
    """The gateway's MAC address, 12 lower-case hex digits, when it tells."""

    tasks: tuple[SmsTask, ...] = ()
    """The tasks (v2.2 `rpts`; v3 `statuses`)."""

    extra: dict[str, object] | None = None
    """Keys no field is for, and what could not be read."""


class SmsKey(NamedTuple):
    """What makes a received row the same row when the gateway sends it again; the caller puts its device in front."""

    position: str
    """Port and slot, or port, pool and pool slot, in one spelling whatever the gateway's."""

    at: int | None
    """Epoch seconds. None in the plain-text form: use the key within a short window only."""

    sender: str | None
    """Sender, or message centre of a report."""

    digest: str
    """SHA-256 of the content, hex."""


def idempotency_key(row: SmsRow) -> SmsKey:
    """The parts of `row` that identify it: position, time, sender and a digest of the content (4.3).

    The digest of a delivery report covers its recipient too: two reports in one second for two recipients have the same
    message centre and often the same content.
    """
    if row.pool is None:
        position = f"{row.port or 0}.{row.slot or 0:02d}"
    else:
        position = f"{row.port or 0}.{row.pool}.{row.pool_slot or 0:03d}"
    content = row.raw_content if row.kind is SmsKind.SMS else f"{row.receiver or ''}\n{row.raw_content}"
    return SmsKey(position, row.at, row.sender, sha256(content.encode()).hexdigest())
