"""What an Ejoin gateway can say, as frozen types; about short messages in `sms_messages`.

Clause numbers ("4.1" to "4.5") are those of the vendor document "Status Notification"; "v2.2" is the vendor's HTTP
development specification 2.2, "v3" the vendor's API 3.x for firmware 8.0d and later. Every text in these types can be
stored in PostgreSQL (no NUL, no lone surrogate), every number fits 64 bits, and an empty field is None. What a device
sent and these types have no field for, or what could not be read, is kept in `extra` under the key the device used.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from simwarden.southbound.ejoin.counters import lasting, reading_of
from simwarden.southbound.ejoin.sms_messages import ReceivedSms, SentSms, SmsTaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.counters import Reading


class Undecodable(Exception):
    """The body is not a message of an Ejoin gateway; `reason` says in one sentence why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PortUse(StrEnum):
    """What a port's `st` code means for the platform: may its SIM use the network now?"""

    ONLINE = "online"
    TRANSITIONAL = "transitional"
    LOCKED_HERE = "locked_here"
    LOCKED_BY_OPERATOR = "locked_by_operator"
    REMOVED = "removed"
    FAULT = "fault"
    UNKNOWN = "unknown"


_PORT_STATES: Mapping[int, PortUse] = MappingProxyType(
    {
        0: PortUse.REMOVED,
        **dict.fromkeys((1, 2, 11), PortUse.TRANSITIONAL),
        **dict.fromkeys((3, 4, 13, 14, 15), PortUse.ONLINE),
        **dict.fromkeys((5, 6, 9, 16), PortUse.FAULT),
        **dict.fromkeys((7, 12), PortUse.LOCKED_HERE),
        8: PortUse.LOCKED_BY_OPERATOR,
    }
)


def port_state(status: int | None) -> PortUse:
    """What the `st` code `status` means for the platform; `UNKNOWN` for None and for codes no document assigns."""
    return PortUse.UNKNOWN if status is None else _PORT_STATES.get(status, PortUse.UNKNOWN)


class CallDirection(StrEnum):
    """Seen from the SIM. The vendor's `MT` is outbound and `MO` inbound, the reverse of 3GPP usage (4.4)."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Counter(msgspec.Struct, frozen=True, gc=False):
    """An `n/m` counter: used and allowed."""

    used: int
    """The number before the slash: minutes, calls, talks or short messages, by the counter's name (4.1)."""

    limit: int | None
    """The number after the slash; None where the gateway says -1, unlimited (4.1)."""


class PortReport(msgspec.Struct, frozen=True):
    """One port (and slot) of a gateway with the SIM in it: the object of `port-status` and of each `dev-status` row."""

    port: int
    """Working port, from 1 (4.1 `port`, before the dot or letter)."""

    slot: int | None = None
    """Slot of that port, from 1; letter A is 1 (4.1 `port`). None when the gateway names only the port."""

    pool: str | None = None
    """Name of the SIM pool a remote card sits in, such as `sp128` (4.3 position form `port.simpool.slot`)."""

    pool_slot: int | None = None
    """Slot within that pool (4.3)."""

    sequence: int | None = None
    """The gateway's counter of port messages (4.1 `seq`); not proven to survive a reboot."""

    status: int | None = None
    """The `st` code, table in 4.1; key `status` in v2.2. `state` says what it means."""

    status_text: str | None = None
    """Words that followed the code, such as `OK` in `3 OK` (v2.2)."""

    imei: str | None = None
    """IMEI of the port's module, digits as reported, check digit not verified (4.1 `imei`)."""

    imsi: str | None = None
    """IMSI of the card, digits as reported (4.1 `imsi`)."""

    iccid: str | None = None
    """ICCID of the card, digits as reported without the padding F (4.1 `iccid`)."""

    msisdn: str | None = None
    """The card's own number, digits with an optional leading plus (4.1 `sn`)."""

    plmn: str | None = None
    """MCC and MNC of the serving network, 5 or 6 digits (4.1 `opr`, first word); None while it says `0`."""

    operator: str | None = None
    """Name of the serving network (4.1 `opr`, rest); valid when `status` is 3 or 4."""

    balance: str | None = None
    """Balance as a decimal with two places; the currency is not told (4.1 `bal`)."""

    signal: int | None = None
    """Signal strength, presumably CSQ: 0 to 31, 99 unknown (4.1 `sig`)."""

    active: bool | None = None
    """Whether this slot is the port's slot in use (4.1 `active`)."""

    inserted: bool | None = None
    """Whether a card is in the slot (v3 `inserted`)."""

    slot_active: bool | None = None
    """Whether the slot is enabled (v3 `slot_active`)."""

    network: int | None = None
    """Radio generation: 2, 3 or 4 (v2.4 and v3 `network`)."""

    sim: str | None = None
    """Id of a card in a SIM pool (4.1 `sim`); None for a card in the gateway itself."""

    counters: dict[str, Counter | str] | None = None
    """Counters by the vendor's name (4.1): `tot_dur`, `men_day`, `smsctl_mon` … as `Counter`; `dataflow_…` as a decimal
    in MB, `dataflow_url` as text."""

    extra: dict[str, object] | None = None
    """Keys no field is for, and known keys whose value could not be read."""

    @property
    def state(self) -> PortUse:
        """What `status` means for the platform."""
        return port_state(self.status)

    @property
    def counter_mark(self) -> object:
        """For `domain.counters`: equal as long as card, balance and counters are. What moves as time passes is left
        out."""
        counters = self.counters
        if counters is None:
            return self.imsi, self.balance
        if "dataflow" not in next(reversed(counters)):  # they stand behind the others
            return self.imsi, self.balance, *counters.values()
        return self.imsi, self.balance, *lasting(counters)

    def read_counters(self) -> Reading:
        """For `domain.counters`: the counters in the house's words."""
        return reading_of(self.balance, self.counters)


class PortStatus(msgspec.Struct, frozen=True):
    """`port-status` (4.1): something about one port changed. Carries no device id."""

    report: PortReport
    """The port."""


class DeviceStatus(msgspec.Struct, frozen=True):
    """`dev-status` (4.2): the periodic report about every port; also the answer to a status request."""

    sequence: int | None = None
    """Counter of these messages, from 1 (4.2 `seq`)."""

    expires: int | None = None
    """How long the report holds, in s or ms by firmware, -1 when it was requested (4.2 `expires`): a hint at best."""

    mac: str | None = None
    """The gateway's MAC address, 12 lower-case hex digits (4.2 `mac`)."""

    ip: str | None = None
    """The gateway's address in its own network (4.2 `ip`); no proof of where the message came from."""

    version: str | None = None
    """Firmware version (4.2 `ver`)."""

    max_ports: int | None = None
    """How many ports the gateway has (4.2 `max-ports`)."""

    max_slots: int | None = None
    """How many slots a port has (4.2 `max-slots`, in examples `max-slot`); None when not told, which means 1."""

    ports: tuple[PortReport, ...] = ()
    """The ports (4.2 `status`)."""

    extra: dict[str, object] | None = None
    """Keys no field is for, unreadable values, and under `status` the port objects without a readable port."""


class CallDetailRecord(msgspec.Struct, frozen=True):
    """`cdr` (4.4): one call as it stands now. Pushed repeatedly for one call; (`mac`, `call_id`) names the call."""

    report: PortReport
    """The port and the SIM, as in `port-status`."""

    mac: str | None = None
    """The gateway's MAC address, 12 lower-case hex digits (4.4 `mac`)."""

    ip: str | None = None
    """The gateway's address in its own network (4.4 example `ip`)."""

    sip_user: str | None = None
    """SIP account the call used (4.4 `sip_usr`)."""

    call_id: str | None = None
    """SIP Call-ID, opaque (4.4 `cid`)."""

    direction: CallDirection | None = None
    """Direction seen from the SIM (4.4 `cdir`)."""

    caller: str | None = None
    """Calling number or account (4.4 `caller`)."""

    callee: str | None = None
    """Called number (4.4 `callee`)."""

    begin_at: int | None = None
    """Start of dialling, epoch seconds (4.4 `begin`)."""

    alert_at: int | None = None
    """Ringing, epoch seconds (4.4 `alert`); None while the gateway says 0."""

    answer_at: int | None = None
    """Answered, epoch seconds (4.4 `answer`); None while the gateway says 0."""

    update_at: int | None = None
    """The last push during the call, epoch seconds (4.4 `update`)."""

    end_at: int | None = None
    """End, epoch seconds (4.4 `end`); None while the call lasts."""

    reason_code: int | None = None
    """Code of the end reason, `201` in `201 Caller Hangup` (4.4 `reason`)."""

    reason: str | None = None
    """Words of the end reason (4.4 `reason`)."""

    gw_reason_code: int | None = None
    """The module's hang-up code (4.4 `gw_reason`)."""

    gw_reason: str | None = None
    """Words after the module's hang-up code (4.4 `gw_reason`)."""


class Keepalive(msgspec.Struct, frozen=True):
    """The keepalive of first-generation firmware (seen in client code): an object with `etms_usr` and no `type`."""

    user: str | None = None
    """Account the gateway is set up with (`etms_usr`)."""

    extra: dict[str, object] | None = None
    """The other keys; passwords are blotted out."""


class Unknown(msgspec.Struct, frozen=True):
    """An object whose `type` no document names, or a message that lacks the one thing it cannot do without."""

    type: str | None
    """The `type` as sent; None when there is none."""

    raw: dict[str, object]
    """The whole object."""


Message = PortStatus | DeviceStatus | ReceivedSms | CallDetailRecord | SentSms | SmsTaskStatus | Keepalive | Unknown
"""Everything `decode` can return."""


class Decoded(msgspec.Struct, frozen=True):
    """The messages of one body."""

    messages: tuple[Message, ...]
    """In the order of the body; one unless the body is an array."""

    repaired: bool = False
    """Whether the body was not valid JSON and was read after one repair. Keep the raw bytes of such a body."""
