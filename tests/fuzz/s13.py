"""Diameter messages of an MME, broken in every way: `python -m tests.fuzz --s13 1000000`.

What must hold for any octets: a message is refused, answered, or a check that is understood or refused; every answer is
a message that can be read, and belongs to its request. Nothing here does input or output.
"""

from __future__ import annotations

import random
from collections import Counter

from tests.fuzz.bench import Finding

from simwarden.domain.equipment import EquipmentStatus
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import APPLICATION, COMMAND, RefusedCheck
from simwarden.southbound.s13.codec import HEADER, REQUEST, TGPP, Avp, DiameterMessage, MalformedMessage
from simwarden.southbound.s13.link import CAPABILITIES, DISCONNECT, WATCHDOG, DiameterIdentity, PeerLink

IDENTITY = DiameterIdentity("eir.example", "example")
PEER = (Avp(264, b"mme.example"), Avp(296, b"example"))
HELLO = codec.write(REQUEST, CAPABILITIES, 0, (1, 1), (*PEER, checks.application()))
_LENGTHS = (0, 1, 7, 8, 11, 12, 13, 255, 0xFFFF, 0xFFFFFF)


def samples() -> list[bytes]:
    """What peers really send."""
    device = codec.group(
        checks.TERMINAL_INFORMATION, Avp(checks.IMEI, b"35368953070790", TGPP), Avp(1403, b"01", TGPP), vendor=TGPP
    )
    told = (Avp(checks.SESSION_ID, b"mme;1;2"), codec.number(checks.AUTH_SESSION_STATE, 1), *PEER, device)
    proxy = codec.group(checks.PROXY_INFO, Avp(280, b"dra.example"), Avp(33, b"state"))
    return [
        codec.write(REQUEST, COMMAND, APPLICATION, (7, 9), (*told, Avp(checks.USER_NAME, b"460000990123698"))),
        codec.write(REQUEST, COMMAND, APPLICATION, (8, 9), (*told, proxy)),
        codec.write(REQUEST, WATCHDOG, 0, (9, 9), PEER),
        codec.write(REQUEST, DISCONNECT, 0, (10, 9), (*PEER, codec.number(273, 0))),
        codec.write(0, WATCHDOG, 0, (11, 9), (codec.number(checks.RESULT_CODE, checks.SUCCESS), *PEER)),
        HELLO,
    ]


def run(count: int, seed: int) -> Counter[str]:
    """So many messages; returns how they were taken. Raises Finding."""
    rng, taken = random.Random(seed), Counter[str]()
    sound, link = samples(), opened()
    for n in range(count):
        data = _broken(rng, rng.choice(sound), sound)
        begun = PeerLink(IDENTITY, b"\0\1\x7f\0\0\1", 30.0, 0.0) if n % 10 == 0 else link
        try:
            how, closed = _try(begun, data)
        except Exception as error:
            raise Finding(f"{data.hex()}: {error!r}") from error
        taken[how] += 1
        if closed:
            link = opened()
    return taken


def opened() -> PeerLink:
    """A connection on which capabilities were exchanged."""
    link = PeerLink(IDENTITY, b"\0\1\x7f\0\0\1", 30.0, 0.0)
    assert not link.receive(HELLO, 0.0).close
    return link


def _try(link: PeerLink, data: bytes) -> tuple[str, bool]:
    """How one message was taken, and whether the connection is over."""
    if len(data) < HEADER:
        return "waits", False
    try:
        head = codec.read_head(data)
    except MalformedMessage as error:
        return f"head {error}", True
    if head.length > len(data):
        return "waits", False
    step = link.receive(data[: head.length], 1.0)
    if step.send:
        _answers(step.send, head)
    if step.check is None:
        return step.outcome or ("answered" if step.send else "left alone"), step.close
    try:
        asked = checks.read(step.check)
    except RefusedCheck as refusal:
        avps, how = checks.refused(step.check, IDENTITY.avps, refusal), f"check {refusal.result}"
    else:
        if asked.imei is not None and not (asked.imei.isdecimal() and asked.imei.isascii() and len(asked.imei) == 14):
            raise AssertionError(f"{asked.imei!r} is no IMEI")
        if asked.imsi is not None and not (asked.imsi.isdecimal() and asked.imsi.isascii() and len(asked.imsi) <= 15):
            raise AssertionError(f"{asked.imsi!r} is no IMSI")
        avps, how = checks.answered(step.check, IDENTITY.avps, EquipmentStatus.UNKNOWN), "check understood"
    _answers(link.answer(step.check, avps), head)
    return how, False


def _answers(sent: bytes, head: codec.MessageHead) -> None:
    """What is sent is the answer to that request."""
    own = codec.read_head(sent)
    answer = DiameterMessage(own, codec.read_avps(sent, HEADER))
    ids = (own.command, own.application, own.hop_by_hop, own.end_to_end)
    if own.is_request or own.length != len(sent) or ids != (head.command, head.application, *_ids(head)):
        raise AssertionError(f"{sent.hex()} is no answer")
    if not any(answer.first(code) for code in (checks.RESULT_CODE, checks.EXPERIMENTAL_RESULT)):
        raise AssertionError(f"{sent.hex()} has no result")


def _ids(head: codec.MessageHead) -> tuple[int, int]:
    return head.hop_by_hop, head.end_to_end


def _broken(rng: random.Random, sample: bytes, sound: list[bytes]) -> bytes:
    data = bytearray(sample)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at:at] = rng.randbytes(rng.randrange(8))
            case 1:
                del data[at : at + rng.randrange(8)]
            case 2 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 3 if len(data) > HEADER + 8:  # the length of some AVP, or of what is taken for one
                at = HEADER + 4 * rng.randrange((len(data) - HEADER) // 4) + 5
                data[at : at + 3] = rng.choice(_LENGTHS).to_bytes(3, "big")
            case 4:
                data += rng.choice(sound)[HEADER:]
            case _:
                data[at : at + 4] = rng.randbytes(4)
        if rng.random() < 0.8 and len(data) >= 4:  # mostly the message is as long as it says
            data += bytes(-len(data) % 4)
            data[1:4] = len(data).to_bytes(3, "big")
    return bytes(data)
