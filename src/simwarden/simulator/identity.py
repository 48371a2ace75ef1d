"""Made-up but well-formed identities: IMEI and ICCID with their Luhn check digit, IMSI, MSISDN, MAC."""

from __future__ import annotations

from dataclasses import dataclass

#: Type allocation code of the virtual modules (the one of the vendor document's sample).
MODULE_TAC = "35368953"

#: Serial numbers have six digits: so many modules exist under one TAC.
SERIALS = 1_000_000


@dataclass(frozen=True, slots=True)
class VirtualSim:
    """One SIM card: it is carried from slot to slot and keeps its numbers."""

    imsi: str
    """15 digits."""

    iccid: str
    """20 digits, the last one the Luhn check digit."""

    msisdn: str
    """International number without the plus sign, or empty when the card does not know it."""


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` followed by it pass the Luhn test (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        value = int(character)
        if position % 2 == 0:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return str(-total % 10)


def make_imei(serial: int, tac: str = MODULE_TAC) -> str:
    """A 15-digit IMEI: TAC 8, serial 6 (taken modulo a million), check digit 1 (3GPP TS 23.003, 6.2.1)."""
    body = f"{tac}{serial % SERIALS:06d}"
    return body + luhn_digit(body)


def make_sim(imsi_base: int, index: int) -> VirtualSim:
    """The SIM number `index` (from 0) of a fleet whose first IMSI is `imsi_base`."""
    imsi = f"{imsi_base + index:015d}"
    iccid = f"898600{imsi[-13:]}"
    return VirtualSim(imsi=imsi, iccid=iccid + luhn_digit(iccid), msisdn=f"861064{index % 10**9:09d}")


def make_mac(number: int) -> str:
    """A device MAC as the vendor prints it: six hexadecimal pairs with dashes; `number` fills the last three."""
    tail = f"{number & 0xFFFFFF:06x}"
    return f"00-30-f1-{tail[0:2]}-{tail[2:4]}-{tail[4:6]}"
