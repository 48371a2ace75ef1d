"""Ids are in the order of time, and nobody can guess one."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from simwarden.kit.ids import random_name, signing_secret, uuid4_text, uuid7

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2500, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_a_uuid_says_its_version_its_variant_and_its_millisecond(now: datetime) -> None:
    made = uuid7(now)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    stated = datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
    assert timedelta(0) <= now - stated <= timedelta(milliseconds=1.01)


@given(MOMENTS)
def test_uuids_sort_by_time_and_differ_within_a_millisecond(now: datetime) -> None:
    first, second, later = uuid7(now), uuid7(now), uuid7(now + timedelta(milliseconds=1))
    assert first != second
    assert max(first.hex, second.hex) < later.hex


def test_a_random_uuid_is_one_of_version_4_and_leaves_all_other_bits_to_chance() -> None:
    texts = [uuid4_text() for _ in range(2000)]
    made = [uuid.UUID(text) for text in texts]
    assert [str(each) for each in made] == texts
    assert {(each.version, each.variant) for each in made} == {(4, uuid.RFC_4122)}
    every, any_ = (1 << 128) - 1, 0
    for each in made:
        every, any_ = every & each.int, any_ | each.int
    assert every == 0x4 << 76 | 0b10 << 62
    assert any_ == (1 << 128) - 1 & ~(0b1011 << 76) & ~(1 << 62)


def test_every_bit_behind_the_time_is_left_to_chance() -> None:
    fixed = 0xF << 76 | 0b11 << 62
    some = [uuid7(datetime.now(UTC)).int & (1 << 80) - 1 & ~fixed for _ in range(300)]
    ever, always = 0, -1
    for each in some:
        ever |= each
        always &= each
    assert ever == (1 << 80) - 1 & ~fixed
    assert always == 0


@given(st.integers(0, 40))
def test_a_name_has_its_length_and_only_what_any_path_and_header_may_hold(length: int) -> None:
    name = random_name(length)
    assert len(name) == length
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789")


def test_a_signing_secret_has_32_bytes_of_its_own() -> None:
    first, second = signing_secret(), signing_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32
