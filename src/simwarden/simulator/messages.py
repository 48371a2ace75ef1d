"""The messages a gateway pushes, as dicts with the fields, types and order the vendor documents print.

`v2` is the form of the status-notification document and of HTTP API 1.x and 2.x; `v3` that of API v3 (numeric ports,
`received-sms`, `sms-sent-status`). Pure functions: counters and time are parameters. Times are epoch seconds.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simwarden.simulator.identity import VirtualSim
from simwarden.simulator.slot_addresses import SlotAddress

Form = Literal["v2", "v3"]
Message = dict[str, Any]

NO_SIM, IDLE, REGISTERING, REGISTERED, USER_LOCKED = 0, 1, 2, 3, 12

_SMSC = "8613800755500"


@dataclass(slots=True)
class CardUsage:
    """What one card did since it was made: the counters of Call Control and SMS Control."""

    minutes: int = 0
    calls: int = 0
    talks: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot at one moment, all that a port object can say about it."""

    place: SlotAddress
    st: int
    imei: str
    sim: VirtualSim | None
    active: bool
    usage: CardUsage
    operator: str
    """MCCMNC, a space and the name, for example `46000 CHINA MOBILE`."""

    signal: int
    """CSQ, 0 to 31."""

    enabled: bool
    """False when the slot is locked, card or not."""


def port_object(view: SlotState, *, seq: int, form: Form = "v2", counters: bool = False) -> Message:
    """One element of `status` in a dev-status (document sections 4.1 and 4.2); an empty slot says only four things.

    With `counters` the Call Control and SMS Control fields are added (n/-1: used, unlimited).
    """
    port: str | float = view.place.as_number if form == "v3" else str(view.place)
    if view.sim is None:
        return {"port": port, "seq": seq, "st": view.st, "imei": view.imei}
    registered = view.st == REGISTERED
    operator = view.operator if registered else f"0 {view.operator.partition(' ')[2]}"
    signal = view.signal if registered else 0
    if form == "v3":
        return {
            "port": port,
            "sim": "",
            "seq": seq,
            "st": view.st,
            "bal": 100,
            "opr": operator,
            "sn": view.sim.msisdn,
            "imei": view.imei,
            "active": int(view.active),
            "imsi": view.sim.imsi,
            "iccid": view.sim.iccid,
            "inserted": 1,
            "slot_active": int(view.enabled),
            "sig": signal,
            "led": 0,
            "network": 4,
        } | (_counters(view.usage) if counters else {})
    return {
        "port": port,
        "sim": "",
        "seq": seq,
        "st": view.st,
        "imei": view.imei,
        "iccid": view.sim.iccid,
        "imsi": view.sim.imsi,
        "sn": view.sim.msisdn,
        "opr": operator,
        "bal": "0.00",
        "sig": signal,
        "tot_dur": f"{view.usage.minutes}/-1",
        "mon_dur": f"{view.usage.minutes}/-1",
        "day_dur": f"{view.usage.minutes}/-1",
    } | (_counters(view.usage) if counters else {})


def _counters(usage: CardUsage) -> Message:
    spans = ("tot", "mon", "day")
    return (
        {f"men_{span}": f"{usage.calls}/-1" for span in spans}
        | {f"mtn_{span}": f"{usage.talks}/-1" for span in spans}
        | {f"smsctl_{span}": f"{usage.messages}/-1" for span in spans}
    )


def port_status(view: SlotState, *, seq: int, form: Form = "v2", counters: bool = False) -> Message:
    """`port-status` (document section 4.1); v3 prints `st` as a string."""
    message: Message = {"type": "port-status"} | port_object(view, seq=seq, form=form, counters=counters)
    if form == "v3":
        message["st"] = str(view.st)
    return message


def dev_status(
    header: Mapping[str, Any], objects: Sequence[Message], *, seq: int, expires: int, form: Form = "v2"
) -> Message:
    """`dev-status` (document section 4.2); `header` has mac, ip, ver, ports, slots. API v3 prints `dev-Status`."""
    return {
        "type": "dev-Status" if form == "v3" else "dev-status",
        "seq": seq,
        "expires": expires,
        "mac": header["mac"],
        "ip": header["ip"],
        "ver": header["ver"],
        "max-ports": header["ports"],
        ("max-slots" if form == "v3" else "max-slot"): header["slots"],
        "status": list(objects),
    }


def received_sms(view: SlotState, *, mac: str, sender: str, text: str, at: int, form: Form = "v2") -> Message:
    """`recv-sms` (document section 4.3) with the header block real devices put before the text; v3 `received-sms`."""
    sim = view.sim
    if form == "v3":
        row = {
            "is_report": False,
            "port": view.place.port,
            "slot": view.place.slot,
            "ts": at,
            "from": sender,
            "to": "",
            "iccid": sim.iccid if sim else "",
            "imsi": sim.imsi if sim else "",
            "imei": view.imei,
            "sms": base64.b64encode(text.encode()).decode(),
        }
        return {"type": "received-sms", "mac": mac, "smses": [row]}
    stamp = time.strftime("%y%m%d%H%M%S", time.gmtime(at)) + "00"
    block = f"Sender: {sender}\r\nSMSC: {_SMSC}\r\nSCTS: {stamp}\r\n\r\n{text}"
    encoded = base64.b64encode(block.encode()).decode()
    return {"type": "recv-sms", "sms_num": 1, "sms": [[0, str(view.place), at, sender, "", encoded]]}


def sent_sms(
    view: SlotState, *, mac: str, seq: int, tid: int, to: str, text: str, at: int, code: str = "0 OK"
) -> Message:
    """`sent-sms` of API 1.x and 2.x (document section 4.5, of which only the example is complete)."""
    return {
        "type": "sent-sms",
        "mac": mac,
        "sim_src": "0",
        "port": str(view.place),
        "seq": seq,
        "sms_tid": tid,
        "src_type": 2,
        "src_ip": "",
        "src_port": 0,
        "status": code,
        "time": at,
        "dur": 330,
        "recver": to,
        "smsc": "",
        "charset": "UTF-8",
        "data": text,
    }


def sms_sent_status(view: SlotState, *, tid: int, numbers: Sequence[str], at: int, failed: bool = False) -> Message:
    """`sms-sent-status` of API v3 for one task: every number either sent (sdr) or failed with code 5 (fdr)."""
    rows: list[Message] = []
    for index, number in enumerate(numbers, start=1):
        row: Message = {
            "seq": index,
            "port": view.place.port,
            "slot": view.place.slot,
            "number": number,
            "ts": at,
        }
        rows.append(row | ({"code": 5, "gsm_cause": 0} if failed else {"cost": 330}))
    status: Message = {
        "tid": tid,
        "sent": 0 if failed else len(rows),
        "failed": len(rows) if failed else 0,
        "unsent": 0,
        "sdr": [] if failed else rows,
        "fdr": rows if failed else [],
    }
    return {"type": "sms-sent-status", "statuses": [status]}


def cdr(
    view: SlotState,
    *,
    mac: str,
    ip: str,
    seq: int,
    cid: str,
    other: str,
    times: tuple[int, int, int],
    incoming: bool = False,
) -> Message:
    """`cdr` of a call with `other` (document section 4.4, where MT means outgoing and MO incoming).

    `times` are begin, answer and end; 0 = not yet, so (t, 0, 0) is dialling and (t, u, 0) connected.
    """
    begin, answer, end = times
    sim = view.sim
    own = sim.msisdn if sim else ""
    return {
        "type": "cdr",
        "port": str(view.place),
        "seq": seq,
        "st": view.st,
        "imei": view.imei,
        "iccid": sim.iccid if sim else "",
        "imsi": sim.imsi if sim else "",
        "bal": "0.00",
        "mac": mac,
        "ip": ip,
        "sip_usr": "",
        "cid": cid,
        "cdir": "MO" if incoming else "MT",
        "caller": other if incoming else own,
        "callee": own if incoming else other,
        "begin": begin,
        "alert": answer,
        "answer": answer,
        "update": 0,
        "end": end,
        "reason": "201 Caller Hangup" if end else "",
        "gw_reason": "0 " if end else "",
    }
