"""One-time passwords against the vectors of their RFCs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simwarden.accounts import totp

SECRET = b"12345678901234567890"
"""Of RFC 4226 appendix D and RFC 6238 appendix B."""


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, "755224"), (1, "287082"), (2, "359152"), (8, "399871"), (9, "520489")],
)
def test_the_vectors_of_rfc_4226(step: int, expected: str) -> None:
    assert totp.code(SECRET, step) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "94287082"), (1111111109, "07081804"), (1234567890, "89005924"), (20000000000, "65353130")],
)
def test_the_vectors_of_rfc_6238(seconds: int, expected: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert totp.code(SECRET, totp.step_of(now)) == expected[-6:]
    assert totp.matching(SECRET, expected[-6:], now) == seconds // 30


def test_a_code_is_good_one_step_early_or_late_and_no_more() -> None:
    now = datetime.fromtimestamp(1234567890, UTC)
    step = totp.step_of(now)
    found = [totp.matching(SECRET, totp.code(SECRET, step + late), now) for late in (-2, -1, 0, 1, 2)]
    assert found == [None, step - 1, step, step + 1, None]
    assert [totp.matching(SECRET, wrong, now) for wrong in ("", "5924", "0890059240", "９９９９９９")] == [None] * 4


def test_what_an_authenticator_reads() -> None:
    assert totp.uri(SECRET, "ann@x.example", "Simwarden") == (
        "otpauth://totp/Simwarden%3Aann%40x.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Simwarden"
    )
