"""ME-DiameterIdentity-Check-Requests and their answers (3GPP TS 29.272 6.2, 7.2.19, 7.2.20). No I/O."""

from __future__ import annotations

import msgspec

from simwarden.domain.equipment import EquipmentStatus
from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei, parse_imsi
from simwarden.southbound.s13.codec import TGPP, Avp, DiameterMessage, MalformedMessage, group, number, read_avps

APPLICATION = 16_777_252
COMMAND = 324
SESSION_ID, USER_NAME, PROXY_INFO, FAILED_AVP = 263, 1, 284, 279
AUTH_SESSION_STATE, RESULT_CODE, EXPERIMENTAL_RESULT, EXPERIMENTAL_CODE, VENDOR_ID = 277, 268, 297, 298, 266
VENDOR_APPLICATION, AUTH_APPLICATION = 260, 258
TERMINAL_INFORMATION, IMEI, EQUIPMENT_STATUS = 1401, 1402, 1445
SUCCESS, INVALID_VALUE, MISSING = 2001, 5004, 5005
EQUIPMENT_UNKNOWN = 5422
_NO_STATE = 1
_NUMBERS = {
    EquipmentStatus.WHITELISTED: 0,
    EquipmentStatus.BLACKLISTED: 1,
    EquipmentStatus.GREYLISTED: 2,
}


class RefusedCheck(Exception):
    """A request that is answered with a Result-Code, and with the AVP that is wrong or missing."""

    def __init__(self, result: int, avp: Avp | None = None) -> None:
        super().__init__(f"Result-Code {result}")
        self.result = result
        self.avp = avp


class AskedCheck(msgspec.Struct, frozen=True):
    """One check, understood."""

    imei: str | None
    """14 digits; None: zeros, which identify no device."""
    imsi: str | None
    """None: the request names no SIM."""


def read(message: DiameterMessage) -> AskedCheck:
    """Understand a request. Raises RefusedCheck."""
    if message.first(SESSION_ID) is None:
        raise RefusedCheck(MISSING, Avp(SESSION_ID, b""))
    told = message.first(TERMINAL_INFORMATION, TGPP)
    if told is None:
        raise RefusedCheck(MISSING, Avp(TERMINAL_INFORMATION, b"", TGPP))
    try:
        inside = read_avps(told.data)
    except MalformedMessage as error:
        raise RefusedCheck(error.result, told) from None
    imei = next((each for each in inside if (each.code, each.vendor) == (IMEI, TGPP)), None)
    if imei is None:
        raise RefusedCheck(MISSING, group(TERMINAL_INFORMATION, Avp(IMEI, b"", TGPP), vendor=TGPP))
    return AskedCheck(_imei(imei), _imsi(message.first(USER_NAME)))


def _imei(avp: Avp) -> str | None:
    try:
        digits = avp.data.decode("ascii")
        if not digits.isdigit():
            raise InvalidIdentifier
        return parse_imei(digits).key if digits.strip("0") else None
    except (InvalidIdentifier, UnicodeDecodeError):
        raise RefusedCheck(INVALID_VALUE, avp) from None


def _imsi(avp: Avp | None) -> str | None:
    if avp is None:
        return None
    try:
        return parse_imsi(avp.data.decode("ascii"))
    except (InvalidIdentifier, UnicodeDecodeError):
        raise RefusedCheck(INVALID_VALUE, avp) from None


def answered(message: DiameterMessage, origin: tuple[Avp, ...], status: EquipmentStatus) -> tuple[Avp, ...]:
    """The AVPs of an answer with a verdict. `origin`: Origin-Host and Origin-Realm."""
    if status is EquipmentStatus.UNKNOWN:
        result = group(EXPERIMENTAL_RESULT, number(VENDOR_ID, TGPP), number(EXPERIMENTAL_CODE, EQUIPMENT_UNKNOWN))
        return _around(message, result, origin)
    return (
        *_around(message, number(RESULT_CODE, SUCCESS), origin),
        number(EQUIPMENT_STATUS, _NUMBERS[status], TGPP),
    )


def refused(message: DiameterMessage, origin: tuple[Avp, ...], refusal: RefusedCheck) -> tuple[Avp, ...]:
    """The AVPs of an answer that refuses a request."""
    failed = () if refusal.avp is None else (group(FAILED_AVP, refusal.avp),)
    return (*_around(message, number(RESULT_CODE, refusal.result), origin), *failed)


def application() -> Avp:
    """Vendor-Specific-Application-Id of S13."""
    return group(VENDOR_APPLICATION, number(VENDOR_ID, TGPP), number(AUTH_APPLICATION, APPLICATION))


def _around(message: DiameterMessage, result: Avp, origin: tuple[Avp, ...]) -> tuple[Avp, ...]:
    session = message.first(SESSION_ID)
    proxies = tuple(each for each in message.avps if (each.code, each.vendor) == (PROXY_INFO, 0))
    return (
        *(() if session is None else (session,)),
        application(),
        result,
        number(AUTH_SESSION_STATE, _NO_STATE),
        *origin,
        *proxies,
    )
