"""What a ChargingDataRequest says (3GPP TS 32.291 6.1.6.2.1.1), and its answer. No I/O.

What identifies the request must be there and right. What it tells beside (device, place, session) is read as far as it
can be: a piece of another form counts as missing, because refusing it would stop the session.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import bucket_of, parse_apn, parse_imei, parse_imsi, parse_msisdn
from simwarden.domain.session import Octets
from simwarden.southbound.chf.location import BELIEVED, cells_of, network_of
from simwarden.southbound.sbi.answers import Problem

MAX_NUMBER = 2**31 - 1
_RAT = re.compile(r"[A-Z0-9_-]{1,32}")
_PREFIX = re.compile(r"[0-9a-fA-F:]{2,39}(/[0-9]{1,3})?")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Charging(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood."""

    number: int
    """invocationSequenceNumber."""
    at: datetime
    """invocationTimeStamp, never after the receipt."""
    imsi: str | None = None
    msisdn: str | None = None
    imei: str | None = None
    """14 digits."""
    svn: str | None = None
    apn: str | None = None
    rat: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    plmn: str | None = None
    cells: tuple[str, ...] = ()
    cells_at: datetime | None = None
    began_at: datetime | None = None
    used: Octets | None = None
    """None: it reports no volumes."""
    wanted: tuple[int, ...] = ()
    """Rating groups for which units are asked."""
    notify_uri: str | None = None
    name: bytes = b""
    """The same for a request that is sent again, and for no other one."""


def read(body: bytes, received_at: datetime) -> Charging:
    """Understand a ChargingDataRequest.

    Raises Problem with 400 and the cause: no JSON object, something mandatory is missing or has another form.
    """
    try:
        told = _decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8
        raise Problem(400, "The body is no JSON object", "INVALID_MSG_FORMAT") from None
    consumer = _dict(told, "nfConsumerIdentification")
    for name, there in (
        ("nfConsumerIdentification", bool(consumer.get("nodeFunctionality"))),
        ("invocationTimeStamp", "invocationTimeStamp" in told),
        ("invocationSequenceNumber", "invocationSequenceNumber" in told),
    ):
        if not there:
            raise Problem(400, f"{name} is missing", "MANDATORY_IE_MISSING", parameters=((name, "missing"),))
    number, at = told["invocationSequenceNumber"], _time(told, "invocationTimeStamp")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_NUMBER:
        raise _incorrect("invocationSequenceNumber")
    if at is None:
        raise _incorrect("invocationTimeStamp")
    supi = told.get("subscriberIdentifier")
    imsi = None
    if supi is not None and not (isinstance(supi, str) and supi.startswith(("nai-", "gci-", "gli-"))):
        imsi = _parsed(parse_imsi, supi, "imsi-")
        if imsi is None:
            raise _incorrect("subscriberIdentifier")
    return _session(told, consumer, number, min(at, received_at), imsi)


def _session(told: dict[str, Any], consumer: dict[str, Any], number: int, at: datetime, imsi: str | None) -> Charging:
    charged = _dict(told, "pDUSessionChargingInformation")
    user, session = _dict(charged, "userInformation"), _dict(charged, "pduSessionInformation")
    where = _dict(charged, "userLocationinfo") or _dict(charged, "userLocationInfo")
    address, usage = _dict(session, "pduAddress"), list(_dicts(told, "multipleUnitUsage"))
    cells, cells_at = cells_of(where)
    imei, svn = _device(user.get("servedPEI"))
    notify = told.get("notifyUri")
    parts = (
        told.get("subscriberIdentifier"),
        told.get("chargingId") or charged.get("chargingId"),
        consumer.get("nFName"),
        told["invocationTimeStamp"],
        number,
        session.get("pduSessionID"),
        notify,
    )
    rat, ipv4 = session.get("ratType"), address.get("pduIPv4Address")
    return Charging(
        number=number,
        at=at,
        imsi=imsi,
        msisdn=_parsed(parse_msisdn, user.get("servedGPSI"), "msisdn-"),
        imei=imei,
        svn=svn,
        apn=_parsed(parse_apn, session.get("dnnId")),
        rat=rat if isinstance(rat, str) and _RAT.fullmatch(rat) else None,
        ipv4=_address(ipv4, 4),
        ipv6=_prefix(address),
        plmn=network_of(session.get("servingCNPlmnId")) or _network_of_cell(cells),
        cells=cells,
        cells_at=cells_at if cells_at is not None and cells_at < at else None,
        began_at=_time(session, "startTime"),
        used=_volumes(usage),
        wanted=tuple(
            dict.fromkeys(
                group
                for each in usage
                if "requestedUnit" in each and (group := _group(each.get("ratingGroup"))) is not None
            )
        ),
        notify_uri=notify if isinstance(notify, str) and 0 < len(notify) <= 1024 else None,
        name=repr(parts).encode(),
    )


def ref_of(element_id: int, told: Charging, *, stored: bool) -> tuple[int, str]:
    """The bucket and the ChargingDataRef of a session that begins with this request: the same when it comes again.

    One that is not `stored` is its own proof: half of it is made of the other half and of the element.
    """
    digest = hashlib.sha256(b"%d " % element_id + told.name).hexdigest()[:30]
    bucket = bucket_of(told.imsi or digest)
    ref = f"{bucket:02x}{digest}"
    return bucket, ref if stored else ref[:16] + _proof(element_id, ref[:16])


def is_unstored(element_id: int, ref: str) -> bool:
    """Whether `ref_of` made this name of a session that is not stored, for this element."""
    return ref[16:] == _proof(element_id, ref[:16])


def _proof(element_id: int, half: str) -> str:
    return hashlib.sha256(f"not stored {element_id} {half}".encode()).hexdigest()[:16]


def bucket_of_ref(ref: str) -> int | None:
    """The bucket of a ChargingDataRef; None for what is none of ours."""
    return int(ref[:2], 16) if re.fullmatch(r"[0-9a-f]{32}", ref) else None


def units(told: Charging, now: datetime, *, octets: int, seconds: int, denied: bool = False) -> dict[str, Any]:
    """A ChargingDataResponse: units for each rating group that asked, or that the service is denied and is to end."""
    answer: dict[str, Any] = {
        "invocationTimeStamp": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "invocationSequenceNumber": told.number,
    }
    of_each: dict[str, Any]
    if denied:
        of_each = {"resultCode": "END_USER_SERVICE_DENIED", "finalUnitIndication": {"finalUnitAction": "TERMINATE"}}
    else:
        of_each = {"resultCode": "SUCCESS", "grantedUnit": {"totalVolume": octets}, "validityTime": seconds}
    if told.wanted:
        answer["multipleUnitInformation"] = [{"ratingGroup": group, **of_each} for group in told.wanted]
    return answer


def _volumes(usage: list[dict[str, Any]]) -> Octets | None:
    """The sum of all containers. Those of one rating group are numbered: one that is there twice counts once.

    Where only totalVolume is said, it counts as received by the device.
    """
    seen: set[tuple[int | None, int]] = set()
    up = down = 0
    found = False
    for each in usage:
        group = _group(each.get("ratingGroup"))
        for container in _dicts(each, "usedUnitContainer"):
            number = container.get("localSequenceNumber")
            if isinstance(number, int):
                if (group, number) in seen:
                    continue
                seen.add((group, number))
            sent, received, total = (
                _amount(container.get(name)) for name in ("uplinkVolume", "downlinkVolume", "totalVolume")
            )
            if sent is None and received is None:
                received = total
            found = found or sent is not None or received is not None
            up, down = up + (sent or 0), down + (received or 0)
    return Octets(up, down) if found else None


def _amount(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _group(value: object) -> int | None:
    number = _amount(value)
    return number if number is not None and number < 2**32 else None


def _incorrect(name: str) -> Problem:
    return Problem(400, f"{name} has another form", "MANDATORY_IE_INCORRECT", parameters=((name, "malformed"),))


def _dict(told: dict[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _dicts(told: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    found = told.get(name)
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())


def _time(told: dict[str, Any], name: str) -> datetime | None:
    try:
        found: datetime = msgspec.convert(told.get(name), datetime)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo is not None and BELIEVED[0] <= found.year < BELIEVED[1] else None


def _parsed(parse: Any, value: object, prefix: str = "") -> str | None:
    if not isinstance(value, str) or not value.startswith(prefix):
        return None
    try:
        return str(parse(value.removeprefix(prefix)))
    except InvalidIdentifier:
        return None


def _device(pei: object) -> tuple[str | None, str | None]:
    try:
        imei = parse_imei(pei) if isinstance(pei, str) else None
    except InvalidIdentifier:
        imei = None
    return (None, None) if imei is None else (imei.key, imei.software_version)


def _address(value: object, version: int) -> str | None:
    try:
        found = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return str(found) if found is not None and found.version == version else None


def _prefix(address: dict[str, Any]) -> str | None:
    text = address.get("pduIPv6AddresswithPrefix") or address.get("pduIPv6Address")
    if not isinstance(text, str) or not _PREFIX.fullmatch(text):
        return None
    try:
        return str(ipaddress.IPv6Network(text if "/" in text else f"{text}/64", strict=False))
    except ValueError:
        return None


def _network_of_cell(cells: tuple[str, ...]) -> str | None:
    return cells[0].partition(":")[2].partition("-")[0] if cells else None
