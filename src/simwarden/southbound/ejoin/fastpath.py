"""The quick way through `port-status` and `dev-status`, which are nearly all of the traffic.

A typed decoder takes the keys as documented and the value types real firmware sends; anything else (another spelling,
an unknown key, a value that cannot be read) makes `decode` return None, and the tolerant way takes over from the bytes.
So nothing is decided here that `fields` does not decide the same way, only sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.fields import COUNTERS, TRAFFIC
from simwarden.southbound.ejoin.messages import Counter, DeviceStatus, PortReport, PortStatus
from simwarden.southbound.ejoin.normalise import MAX_DIGITS, Memo, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_PORTS = 4096
"""Most port objects in one message; the largest gateways have 256 ports."""

Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Words: TypeAlias = str | None
Whole: TypeAlias = str | Int64 | None
Real: TypeAlias = str | Int64 | float | None


class _Port(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A port object (4.1) in the order `_report` unpacks it."""

    port: str | Int64 | float
    sim: Words = None
    seq: Int64 | None = None
    st: Whole | UnsetType = UNSET
    status: Whole | UnsetType = UNSET
    imei: Words = None
    iccid: Words = None
    imsi: Words = None
    sn: Words = None
    opr: Words = None
    bal: Real = None
    sig: Whole = None
    active: Whole = None
    inserted: Whole = None
    slot_active: Whole = None
    network: Whole = None
    led: Int64 | UnsetType = UNSET
    tot_dur: Words = None
    mon_dur: Words = None
    day_dur: Words = None
    men_tot: Words = None
    men_mon: Words = None
    men_day: Words = None
    mtn_tot: Words = None
    mtn_mon: Words = None
    mtn_day: Words = None
    smsctl_tot: Words = None
    smsctl_mon: Words = None
    smsctl_day: Words = None
    dataflow_tot: Words = None
    dataflow_day: Words = None
    dataflow_24hours: Words = None
    dataflow_1hour: Words = None
    dataflow_last: Words = None
    dataflow_url: Words = None


class _PortStatus(_Port, forbid_unknown_fields=True, tag_field="type", tag="port-status", gc=False):
    pass


class _DeviceStatus(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="dev-status", rename="kebab", gc=False
):
    status: list[_Port]
    seq: Int64 | None = None
    expires: Int64 | None = None
    mac: Words = None
    ip: Words = None
    ver: Words = None
    max_ports: Whole = None
    max_slot: Whole | UnsetType = UNSET
    max_slots: Whole | UnsetType = UNSET


class _DeviceStatusV3(_DeviceStatus, forbid_unknown_fields=True, tag_field="type", tag="dev-Status", gc=False):
    """As the examples of v3 spell it."""


_decoder = msgspec.json.Decoder(_PortStatus | _DeviceStatus | _DeviceStatusV3)

_FIRST_COUNTER = _Port.__struct_fields__.index(COUNTERS[0])
_NO_COUNTERS = (None,) * (len(COUNTERS) + len(TRAFFIC) + 1)


def _present(read: Callable[[object], T | None]) -> Callable[[str | None], T]:
    """`read` for a field that must not be empty: rarer cases are the tolerant way's."""

    def present(value: str | None) -> T:
        if (found := read(value)) is None:
            raise Unreadable
        return found

    return present


# As keys 1 and 1.0 are the same; they mean the same, too, wherever both types are allowed.
_position: Memo[str | int | float, normalise.Position] = Memo(normalise.position)
_code: Memo[str | int | None, tuple[int | None, str | None]] = Memo(normalise.code)
_operator: Memo[str | None, tuple[str | None, str | None]] = Memo(normalise.operator)
_money: Memo[str | int | float | None, str | None] = Memo(normalise.money)
_integer: Memo[str | int | None, int | None] = Memo(normalise.integer)
_flag: Memo[str | int | None, bool | None] = Memo(normalise.flag)
_text: Memo[str | None, str | None] = Memo(normalise.text)
_counter: Memo[str | None, Counter] = Memo(_present(normalise.counter))
_traffic: Memo[str | None, str] = Memo(_present(normalise.decimal))
_mac: Memo[str | None, str | None] = Memo(normalise.mac)
_ip: Memo[str | None, str | None] = Memo(normalise.ip)


def _counters(values: tuple[str | None, ...]) -> dict[str, Counter | str] | None:
    """The counters among `values`, which begin at `tot_dur`."""
    # Written out, because a dict with fixed keys is built twice as fast as one from zip().
    (
        tot_dur,
        mon_dur,
        day_dur,
        men_tot,
        men_mon,
        men_day,
        mtn_tot,
        mtn_mon,
        mtn_day,
        smsctl_tot,
        smsctl_mon,
        smsctl_day,
        flow_tot,
        flow_day,
        flow_24hours,
        flow_1hour,
        flow_last,
        flow_url,
    ) = values
    counter = _counter
    counters: dict[str, Counter | str]
    if tot_dur and men_tot and mtn_tot and smsctl_tot:
        counters = {
            "tot_dur": counter[tot_dur],
            "mon_dur": counter[mon_dur],
            "day_dur": counter[day_dur],
            "men_tot": counter[men_tot],
            "men_mon": counter[men_mon],
            "men_day": counter[men_day],
            "mtn_tot": counter[mtn_tot],
            "mtn_mon": counter[mtn_mon],
            "mtn_day": counter[mtn_day],
            "smsctl_tot": counter[smsctl_tot],
            "smsctl_mon": counter[smsctl_mon],
            "smsctl_day": counter[smsctl_day],
        }
    else:
        # A switch of the gateway adds three at a time; a lone one is left to the tolerant way.
        counters = {}
        if tot_dur or mon_dur or day_dur:
            counters["tot_dur"] = counter[tot_dur]
            counters["mon_dur"] = counter[mon_dur]
            counters["day_dur"] = counter[day_dur]
        if men_tot or men_mon or men_day:
            counters["men_tot"] = counter[men_tot]
            counters["men_mon"] = counter[men_mon]
            counters["men_day"] = counter[men_day]
        if mtn_tot or mtn_mon or mtn_day:
            counters["mtn_tot"] = counter[mtn_tot]
            counters["mtn_mon"] = counter[mtn_mon]
            counters["mtn_day"] = counter[mtn_day]
        if smsctl_tot or smsctl_mon or smsctl_day:
            counters["smsctl_tot"] = counter[smsctl_tot]
            counters["smsctl_mon"] = counter[smsctl_mon]
            counters["smsctl_day"] = counter[smsctl_day]
    if flow_tot:
        counters["dataflow_tot"] = _traffic[flow_tot]
    if flow_day:
        counters["dataflow_day"] = _traffic[flow_day]
    if flow_24hours:
        counters["dataflow_24hours"] = _traffic[flow_24hours]
    if flow_1hour:
        counters["dataflow_1hour"] = _traffic[flow_1hour]
    if flow_last:
        counters["dataflow_last"] = _traffic[flow_last]
    url = normalise.text(flow_url) if flow_url else None
    if url is not None:
        counters["dataflow_url"] = url
    return counters or None


def _report(wire: _Port) -> PortReport:
    values = astuple(wire)
    (port, sim, seq, st, status, imei, iccid, imsi, sn, opr, bal, sig, active, inserted, slot_active, network, led) = (
        values[:_FIRST_COUNTER]
    )
    counted = values[_FIRST_COUNTER:]
    if status is not UNSET:
        if st is not UNSET:
            raise Unreadable
        st = status
    if imei is not None and not (imei.isdigit() and imei.isascii() and len(imei) <= MAX_DIGITS):
        imei = normalise.digits(imei)
    if imsi is not None and not (imsi.isdigit() and imsi.isascii() and len(imsi) <= MAX_DIGITS):
        imsi = normalise.digits(imsi)
    if iccid is not None and not (iccid.isdigit() and iccid.isascii() and len(iccid) <= MAX_DIGITS):
        iccid = normalise.iccid(iccid)
    place = _position[port]
    code = (None, None) if st is UNSET else _code[st]
    network_name = _operator[opr]
    # By position, in the order of PortReport: twenty keywords would cost more than the decoding.
    return PortReport(
        place[0],
        place[1],
        place[2],
        place[3],
        seq,
        code[0],
        code[1],
        imei,
        imsi,
        iccid,
        normalise.phone(sn) if sn else None,
        network_name[0],
        network_name[1],
        _money[bal],
        _integer[sig],
        _flag[active],
        _flag[inserted],
        _flag[slot_active],
        _integer[network],
        _text[sim],
        None if counted == _NO_COUNTERS else _counters(counted),
        None if led is UNSET else {"led": led},
    )


def _device(wire: _DeviceStatus) -> DeviceStatus:
    slots = wire.max_slots
    if slots is UNSET:
        slots = None if wire.max_slot is UNSET else wire.max_slot
    elif wire.max_slot is not UNSET:
        raise Unreadable
    if len(wire.status) > MAX_PORTS:
        raise Unreadable
    return DeviceStatus(
        wire.seq,
        wire.expires,
        _mac[wire.mac],
        _ip[wire.ip],
        _text[wire.ver],
        _integer[wire.max_ports],
        _integer[slots],
        tuple(map(_report, wire.status)),
    )


def decode(body: bytes) -> PortStatus | DeviceStatus | None:
    """The message in `body` if it is one `port-status` or `dev-status` spelt as documented, else None."""
    try:
        wire = _decoder.decode(body)
        return _device(wire) if isinstance(wire, _DeviceStatus) else PortStatus(_report(wire))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unreadable):
        return None
