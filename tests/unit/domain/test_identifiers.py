"""What people and networks write for a device or a SIM, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain import identifiers as ids
from simwarden.domain.errors import InvalidIdentifier

KEY = "35368953070790"
DIGITS = st.text("0123456789", min_size=14, max_size=14).filter(lambda text: text.strip("0") != "")


@pytest.mark.parametrize(
    ("text", "key", "version", "luhn"),
    [
        (KEY, KEY, None, None),
        (KEY + "3", KEY, None, True),
        (KEY + "7", KEY, None, False),
        (KEY + "07", KEY, "07", None),
        ("imei-" + KEY + "3", KEY, None, True),
        ("imei-" + KEY, KEY, None, None),
        ("imeisv-" + KEY + "07", KEY, "07", None),
        ("IMEI-" + KEY, KEY, None, None),
        ("35-368953-070790-3", KEY, None, True),
        ("35 368953 070790 3", KEY, None, True),
        ("  353689530707903\n", KEY, None, True),
        ("imei-35-368953-070790-3", KEY, None, True),
        ("35.368953/070790", KEY, None, None),
        ("490154203237518", "49015420323751", None, True),
    ],
)
def test_an_imei_is_read(text: str, key: str, version: str | None, luhn: bool | None) -> None:
    assert ids.parse_imei(text) == ids.Imei(key, software_version=version, luhn_valid=luhn)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "3536895307079",  # 13
        KEY + "123",  # 17
        "0" * 14,
        "0" * 15,
        "0" * 16,
        "imeisv-" + KEY,  # an IMEISV has 16
        "imeisv-" + KEY + "3",
        "imei-" + KEY + "07",  # an IMEI has at most 15
        "imei-imei-" + KEY,
        "sv-" + KEY,
        "3536895307079O",
        "35368953070790३",  # a digit, but not ASCII
        "٣" * 14,
        "\x00" * 14,
        "mac-00-30-f1-00-6d-b1",
    ],
)
def test_what_is_no_imei_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        ids.parse_imei(text)


@given(DIGITS, st.text("0123456789", min_size=2, max_size=2))
def test_every_form_of_an_imei_has_the_same_key(key: str, version: str) -> None:
    full = ids.full_imei(key)
    wrong = str((int(full[-1]) + 1) % 10)
    forms = [key, full, key + wrong, key + version, f"imei-{key}", f"imei-{full}", f"imeisv-{key}{version}"]
    forms += [f"{key[:2]}-{key[2:8]}-{key[8:]}-{wrong}", f" {full} "]
    assert {ids.parse_imei(form).key for form in forms} == {key}
    assert ids.parse_imei(full).luhn_valid is True
    assert ids.parse_imei(key + wrong).luhn_valid is False
    assert ids.parse_imei(full).full == full
    assert ids.parse_imei(key).tac == key[:8]


@given(DIGITS)
def test_the_check_digit_makes_the_luhn_sum_end_in_zero(key: str) -> None:
    total = 0
    for index, char in enumerate(reversed(ids.full_imei(key))):
        doubled = int(char) * (1 + index % 2)
        total += doubled // 10 + doubled % 10
    assert total % 10 == 0


@given(st.text())
def test_any_text_is_an_imei_or_refused(text: str) -> None:
    try:
        imei = ids.parse_imei(text)
    except InvalidIdentifier:
        return
    assert len(imei.key) == 14
    assert imei.key.isascii()
    assert imei.key.isdigit()


def test_a_refusal_does_not_quote_a_novel() -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        ids.parse_imei("x" * 100_000)
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("parse", "text", "canonical"),
    [
        (ids.parse_imsi, "460000990123698", "460000990123698"),
        (ids.parse_imsi, " imsi-460000990123698 ", "460000990123698"),
        (ids.parse_imsi, "IMSI-460000990123698", "460000990123698"),
        (ids.parse_imsi, "460001", "460001"),
        (ids.parse_iccid, "89860042191782899541", "89860042191782899541"),
        (ids.parse_iccid, "8986004219178289954F", "8986004219178289954"),
        (ids.parse_iccid, "8986004219178289954f", "8986004219178289954"),
        (ids.parse_iccid, "8986 0042 1917 8289 9541", "89860042191782899541"),
        (ids.parse_iccid, "8986-0042-1917-8289-95", "898600421917828995"),
        (ids.parse_msisdn, "+8613800000001", "+8613800000001"),
        (ids.parse_msisdn, "8613800000001", "+8613800000001"),
        (ids.parse_msisdn, "+86 (138) 0000-0001", "+8613800000001"),
        (ids.parse_msisdn, "+12345", "+12345"),
        (ids.parse_tac, "35368953", "35368953"),
        (ids.parse_tac, "35-3689-53", "35368953"),
        (ids.parse_nai, " Meter.1@Example.COM ", "meter.1@example.com"),
    ],
)
def test_names_are_read_in_canonical_form(parse: object, text: str, canonical: str) -> None:
    assert callable(parse)
    assert parse(text) == canonical
    assert parse(canonical) == canonical


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (ids.parse_imsi, ""),
        (ids.parse_imsi, "46000"),
        (ids.parse_imsi, "4600009901236981"),
        (ids.parse_imsi, "46000-0990123698"),
        (ids.parse_imsi, "46000099012369٣"),
        (ids.parse_iccid, ""),
        (ids.parse_iccid, "79860042191782899541"),
        (ids.parse_iccid, "89860042191782899"),
        (ids.parse_iccid, "89860042191782899541123"),
        (ids.parse_iccid, "8986004219178289954G"),
        (ids.parse_msisdn, ""),
        (ids.parse_msisdn, "+1234"),
        (ids.parse_msisdn, "0138000000"),
        (ids.parse_msisdn, "+0138000000"),
        (ids.parse_msisdn, "++8613800000001"),
        (ids.parse_msisdn, "+1234567890123456"),
        (ids.parse_msisdn, "+861380000000٣"),
        (ids.parse_msisdn, "+8613800000001\x00"),
        (ids.parse_tac, "3536895"),
        (ids.parse_tac, "353689531"),
        (ids.parse_tac, "3536895x"),
        (ids.parse_nai, "example.com"),
        (ids.parse_nai, "@example.com"),
        (ids.parse_nai, "a@"),
        (ids.parse_nai, "a@b@c"),
        (ids.parse_nai, "a b@c"),
        (ids.parse_nai, "a@b\x00"),
    ],
)
def test_what_names_no_sim_is_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(InvalidIdentifier):
        parse(text)


@given(st.text("0123456789", min_size=6, max_size=15))
def test_imsis_round_trip(imsi: str) -> None:
    assert ids.parse_imsi(imsi) == imsi
    assert ids.parse_imsi(f"imsi-{imsi}") == imsi


@given(st.from_regex(r"[1-9][0-9]{4,14}", fullmatch=True))
def test_msisdns_round_trip(number: str) -> None:
    if number.isascii():
        assert ids.parse_msisdn(number) == ids.parse_msisdn(f"+{number}") == f"+{number}"


@given(st.from_regex(r"89[0-9]{16,20}", fullmatch=True))
def test_iccids_round_trip(iccid: str) -> None:
    if iccid.isascii():
        assert ids.parse_iccid(iccid) == ids.parse_iccid(iccid + "F") == iccid


@given(st.text(), st.sampled_from([ids.parse_imsi, ids.parse_iccid, ids.parse_msisdn, ids.parse_tac, ids.parse_nai]))
def test_any_text_is_a_canonical_name_or_refused(text: str, parse: object) -> None:
    assert callable(parse)
    try:
        name = parse(text)
    except InvalidIdentifier:
        return
    assert parse(name) == name
    assert name.encode("utf-8", "strict")
    assert "\x00" not in name


@pytest.mark.parametrize(
    ("imsi", "bucket"),
    # From another program: `printf IMSI | gzip | tail -c8 | head -c1`. Rows stand in these buckets for ever.
    [("460000990123698", 0x72), ("460000990000000", 0x90), ("460000990000001", 0x06), ("001010000000001", 0xE6)],
)
def test_the_bucket_of_a_sim_never_changes(imsi: str, bucket: int) -> None:
    assert ids.bucket_of(imsi) == bucket


@given(st.integers(10**5, 10**15 - 1))
def test_buckets_are_from_0_to_255(number: int) -> None:
    assert 0 <= ids.bucket_of(str(number)) < ids.BUCKETS == 256


def test_buckets_are_used_evenly() -> None:
    counts = [0] * 256
    for number in range(25_600):
        counts[ids.bucket_of(f"46000099{number:07}")] += 1
    assert min(counts) > 50
    assert max(counts) < 200
