"""Packets of RADIUS, broken in every way: `python -m tests.fuzz --radius 1000000`.

What must hold for any octets: a packet is understood or refused by InvalidPacket, what is understood fits into the
columns that it is stored in, and can be encoded and proved anew. Nothing here does input or output.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.fuzz.bench import Finding
from tests.support.nas import SECRET, access, accounting

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import MAX_SESSION_ID, Accounting, identity, read
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp
from simwarden.southbound.radius.shapes import PacketShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.southbound.radius.accounting import PacketIdentity

NOW = datetime(2026, 11, 22, tzinfo=UTC)
_TYPES = [*(type_ for name, type_ in vars(Attribute).items() if name.isupper()), 26, 0, 255, 241]
_LOCATIONS = [
    *("8264f000123464f00000012345", "0064f0001234abcd", "0164f0001234abcd", "0264f000123401ff", "8064f0001234"),
    *("80130014abcd", "8164f00000012345", "8764f0000123456789", "8864f000001234", "82"),
    "8964f00000123464f0000123456789",
]


def sample(rng: random.Random) -> tuple[Code, bytes]:
    """An honest request, of any kind: its code, and its attributes."""
    more = [
        codec.integer(Attribute.ACCT_INPUT_OCTETS, rng.getrandbits(32)),
        codec.integer(Attribute.ACCT_INPUT_GIGAWORDS, rng.choice([0, 1, rng.getrandbits(32)])),
        codec.integer(Attribute.ACCT_OUTPUT_OCTETS, rng.getrandbits(32)),
        codec.attribute(Attribute.FRAMED_IP_ADDRESS, rng.randbytes(4)),
        codec.attribute(Attribute.FRAMED_IPV6_PREFIX, b"\0" + bytes([rng.choice([64, 56, 128])]) + rng.randbytes(8)),
        codec.attribute(Attribute.CALLED_STATION_ID, rng.choice([b"iot.example", b"a" * 100, b"x.mnc001.mcc262.gprs"])),
        codec.attribute(Attribute.CLASS, b"simwarden;event=1;at=2"),
        codec.attribute(Attribute.PROXY_STATE, rng.randbytes(8)),
        codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex(rng.choice(_LOCATIONS))),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, bytes([rng.randrange(256)])),
        codec.vendor_attribute(Vendor3gpp.SGSN_MCC_MNC, b"26201"),
    ]
    kept = tuple(part for part in more if rng.random() < 0.6)
    serial = rng.choice(["3536895307079001", "353689530707901", "35368953070790"])
    if rng.random() < 0.3:
        return Code.ACCESS_REQUEST, b"".join(access("460000990123698", imei=serial, more=kept))
    made = accounting(
        rng.choice([1, 2, 3, 7, 8, 9]),
        "0A0B0C0D00000001",
        imsi="460000990123698",
        imei=serial,
        at=1769999400,
        more=kept,
    )
    return Code.ACCOUNTING_REQUEST, b"".join(made)


def mutate(rng: random.Random, body: bytes) -> bytes:
    """Broken octets, lengths, nesting and order."""
    data = bytearray(body)
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(7):
            case 0 if data:
                data[at] = rng.randrange(256)
            case 1:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 2:
                del data[at : at + rng.randrange(1, 20)]
            case 3:
                value = rng.randbytes(rng.choice([0, 1, 3, 4, 8, 16, 17, 18, 253]))
                data += bytes([rng.choice(_TYPES), len(value) + 2]) + value
            case 4:  # 3GPP's attributes, wrongly nested
                inner = rng.randbytes(rng.randrange(12))
                data += bytes([26, len(inner) + 6]) + struct.pack("!I", codec.VENDOR_3GPP) + inner
            case 5:
                data += data[at : at + 60]
            case _:
                data = data[:at]
    return bytes(data)


def _packet(rng: random.Random, code: Code, body: bytes) -> bytes:
    """With a length that is right, mostly."""
    length = 20 + len(body) if rng.random() < 0.9 else rng.choice([0, 19, 20, 4096, 4097, 65535, rng.getrandbits(16)])
    data = struct.pack("!BBH", code, rng.randrange(256), length & 0xFFFF) + rng.randbytes(16) + body
    return data if rng.random() < 0.95 else data[: rng.randrange(len(data))]


def examine(data: bytes) -> str:
    """One packet: how it was taken. Raises Finding."""
    try:
        packet = codec.decode(data)
        codec.is_authentic_request(packet, SECRET)
        codec.is_proved_request(packet, SECRET)
        packet.proxy_states()
        if PacketShape(packet.raw).read(packet.raw) != packet:
            raise Finding(f"{data.hex()}: read otherwise by its form")
        understand: Callable[[codec.Packet, datetime], PacketIdentity] = (
            identity if packet.code == Code.ACCESS_REQUEST else read
        )
        told = understand(packet, NOW)
    except InvalidPacket as error:
        return error.reason
    except Finding:
        raise
    except Exception as error:
        raise Finding(f"{data.hex()}: {error!r}") from error
    _fits(told, data)
    attributes = [codec.attribute(type_, value) for type_ in packet.attributes for value in packet.all_of(type_)] + [
        codec.vendor_attribute(type_, value) for type_, value in packet.vendor.items() if len(value) <= 247
    ]
    again = codec.encode_request(Code.ACCOUNTING_REQUEST, packet.identifier, attributes[:200], SECRET, prove=False)
    if (
        not codec.is_authentic_request(codec.decode(again), SECRET)
        and Attribute.MESSAGE_AUTHENTICATOR not in packet.attributes
    ):
        raise Finding(f"{data.hex()}: what it says cannot be proved anew")
    return "understood"


def _fits(told: PacketIdentity, data: bytes) -> None:
    texts = [told.imsi, told.msisdn, told.imei, told.plmn, told.apn, told.rat, *told.cells]
    if isinstance(told, Accounting):
        texts += [told.session, told.ipv4, told.ipv6, told.decision]
        if told.began_at > told.at or told.at > NOW:
            raise Finding(f"{data.hex()}: begins at {told.began_at}, is of {told.at}")
        if told.octets is not None and not (0 <= told.octets.up < 1 << 64 and 0 <= told.octets.down < 1 << 64):
            raise Finding(f"{data.hex()}: {told.octets}")
    for text in texts:
        if text is not None and (len(text) > 2 * MAX_SESSION_ID or "\0" in text):
            raise Finding(f"{data.hex()}: {text!r}")
    for text in texts[:6]:
        if text is not None and "\n" in text:
            raise Finding(f"{data.hex()}: a line break in {text!r}")


def run(count: int, seed: int) -> Counter[str]:
    """So many packets; returns how they were taken. Raises Finding."""
    rng = random.Random(seed)
    taken: Counter[str] = Counter()
    for _ in range(count):
        code, body = sample(rng)
        data = rng.randbytes(rng.randrange(60)) if rng.random() < 0.02 else _packet(rng, code, mutate(rng, body))
        taken[examine(data)] += 1
    return taken
