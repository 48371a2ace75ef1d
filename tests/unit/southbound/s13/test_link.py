"""Diameter messages and the state of a connection, with the time passed in."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from simwarden.domain.equipment import EquipmentStatus
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import APPLICATION, COMMAND, AskedCheck, RefusedCheck
from simwarden.southbound.s13.codec import TGPP, Avp, DiameterMessage, MalformedMessage
from simwarden.southbound.s13.link import FIRST, DiameterIdentity, LinkStep, PeerLink

IDENTITY = DiameterIdentity("eir.example", "example")
CHECK = bytes.fromhex(
    "010000a8c0000144000000000000000000000000000001074000000f6d6d653b313b3200000001154000000c000000010000010840000010"
    "6d6d65312e657063000001284000000b657063000000011b4000000b6570630000000579c0000038000028af0000057ac000001a000028af"
    "333533363839353330373037393000000000057bc000000e000028af30310000000000014000001734363030303039393031323336393800"
)
"""As python-diameter 0.9 writes it, but for its application, which it was not told."""


def message(data: bytes) -> DiameterMessage:
    return DiameterMessage(codec.read_head(data), codec.read_avps(data, codec.HEADER))


def request(command: int, *avps: Avp, application: int = 0) -> bytes:
    return codec.write(codec.REQUEST, command, application, (7, 9), avps)


def check(*avps: Avp, session: bool = True) -> bytes:
    named = (Avp(checks.SESSION_ID, b"mme;1;2"),) if session else ()
    return request(COMMAND, *named, *avps, application=APPLICATION)


def terminal(imei: bytes) -> Avp:
    return codec.group(checks.TERMINAL_INFORMATION, Avp(checks.IMEI, imei, TGPP), vendor=TGPP)


def result(data: bytes) -> int:
    avp = message(data).first(checks.RESULT_CODE)
    assert avp is not None
    return int.from_bytes(avp.data, "big")


def opened(now: float = 0.0) -> PeerLink:
    link = PeerLink(IDENTITY, b"\0\1\x7f\0\0\1", 30.0, now)
    taken = link.receive(request(257, codec.number(checks.AUTH_APPLICATION, APPLICATION)), now)
    assert (result(taken.send), taken.close) == (2001, False)
    return link


def test_a_check_as_another_program_writes_it() -> None:
    asked = message(CHECK)
    assert checks.read(asked) == AskedCheck("35368953070790", "460000990123698")
    assert codec.write(asked.head.flags, 324, 0, (0, 0), asked.avps) == CHECK


@pytest.mark.parametrize(
    ("data", "result_code"),
    [
        (check(terminal(b"35368953070790"), session=False), 5005),
        (check(), 5005),
        (check(codec.group(checks.TERMINAL_INFORMATION, vendor=TGPP)), 5005),
        (check(Avp(checks.TERMINAL_INFORMATION, b"x", TGPP)), 5014),
        (check(terminal(b"3536895307079")), 5004),
        (check(terminal(b"\xff" * 14)), 5004),
        (check(terminal(b"imei-353689530707903")), 5004),
        (check(terminal(b"35368953070790"), Avp(checks.USER_NAME, b"460-00")), 5004),
    ],
)
def test_what_is_wrong_of_a_check_is_said(data: bytes, result_code: int) -> None:
    asked = message(data)
    with pytest.raises(RefusedCheck) as raised:
        checks.read(asked)
    assert raised.value.result == result_code
    answer = codec.write(0, COMMAND, APPLICATION, (7, 9), checks.refused(asked, IDENTITY.avps, raised.value))
    assert result(answer) == result_code
    assert message(answer).first(checks.FAILED_AVP) is not None


def test_verdicts_and_what_a_proxy_wants_back() -> None:
    proxy = Avp(checks.PROXY_INFO, b"12345678")
    asked = message(check(terminal(b"353689530707903"), proxy))
    assert checks.read(asked) == AskedCheck("35368953070790", None)
    assert checks.read(message(check(terminal(b"0" * 15)))).imei is None
    for status, value in (("WHITELISTED", 0), ("BLACKLISTED", 1), ("GREYLISTED", 2)):
        avps = checks.answered(asked, IDENTITY.avps, EquipmentStatus(status))
        assert codec.number(checks.EQUIPMENT_STATUS, value, TGPP) in avps
        assert proxy in avps
    unknown = checks.answered(asked, IDENTITY.avps, EquipmentStatus.UNKNOWN)
    (found,) = (codec.read_avps(avp.data) for avp in unknown if avp.code == checks.EXPERIMENTAL_RESULT)
    assert [int.from_bytes(avp.data, "big") for avp in found] == [TGPP, 5422]


def test_who_does_not_say_what_he_can_is_closed() -> None:
    link = PeerLink(IDENTITY, b"", 30.0, 0.0)
    assert link.receive(check(terminal(b"35368953070790")), 1.0) == LinkStep(close=True, outcome="malformed")
    link = PeerLink(IDENTITY, b"", 30.0, 0.0)
    taken = link.receive(request(257, codec.number(checks.AUTH_APPLICATION, 4)), 1.0)
    assert (result(taken.send), taken.close) == (5010, True)
    link = PeerLink(IDENTITY, b"", 30.0, 0.0)
    assert link.look(FIRST - 1) == LinkStep()
    assert link.look(FIRST).close


def test_the_application_of_a_vendor_and_of_an_agent() -> None:
    for named in (checks.application(), codec.number(checks.AUTH_APPLICATION, 0xFFFFFFFF)):
        link = PeerLink(IDENTITY, b"", 30.0, 0.0)
        assert result(link.receive(request(257, Avp(checks.VENDOR_APPLICATION, b"x"), named), 0.0).send) == 2001


def test_the_watchdog_asks_once_and_then_closes() -> None:
    link = opened()
    assert link.look(29.0) == LinkStep()
    asked = message(link.look(30.0).send)
    assert (asked.head.command, asked.head.is_request) == (280, True)
    assert link.look(31.0) == LinkStep()
    answer = codec.write(0, 280, 0, (asked.head.hop_by_hop, asked.head.end_to_end), ())
    assert link.receive(answer, 40.0) == LinkStep()
    assert link.look(69.0) == LinkStep()
    assert link.look(70.0).send
    assert link.look(100.0) == LinkStep(close=True, outcome="silent")


def test_other_requests() -> None:
    link = opened()
    assert result(link.receive(request(280), 1.0).send) == 2001
    assert result(link.receive(request(316), 1.0).send) == 3001
    unsupported = link.receive(request(316, application=16_777_251), 1.0).send
    assert result(unsupported) == 3007
    assert message(unsupported).head.flags == codec.ERROR
    broken = bytearray(check(terminal(b"35368953070790")))
    broken[25:28] = b"\xff\xff\xff"
    assert result(link.receive(bytes(broken), 1.0).send) == 5014
    assert message(link.bye()).head.command == 282
    taken = link.receive(request(282), 1.0)
    assert (result(taken.send), taken.close) == (2001, True)


def test_no_message_breaks_the_codec() -> None:
    """Whatever comes is answered, taken, or closed; a head that cannot be read raises MalformedMessage alone."""
    rng, seen = random.Random(1), Counter[str]()
    whole = check(terminal(b"35368953070790"), Avp(checks.USER_NAME, b"460000990123698"))
    for _ in range(20_000):
        data = bytearray(whole)
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            data = data[: codec.HEADER + rng.randrange(len(data) - codec.HEADER) // 4 * 4]
            data[1:4] = len(data).to_bytes(3, "big")
        try:
            head = codec.read_head(bytes(data))
        except MalformedMessage:
            seen["head"] += 1
            continue
        if head.length != len(data):
            continue
        taken = opened().receive(bytes(data), 1.0)
        if taken.check is None:
            seen["refused"] += 1
            continue
        try:
            asked = checks.read(taken.check)
        except RefusedCheck as refusal:
            codec.read_avps(b"".join(avp.octets for avp in checks.refused(taken.check, (), refusal)))
            seen["wrong"] += 1
        else:
            assert asked.imei is None or (len(asked.imei) == 14 and asked.imei.isdigit())
            seen["understood"] += 1
    assert min(seen[name] for name in ("head", "refused", "wrong", "understood")) > 100, seen
