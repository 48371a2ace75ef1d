"""Passwords of people."""

from __future__ import annotations

import asyncio

import pytest

from simwarden.accounts import passwords
from simwarden.accounts.passwords import Busy, Passwords, WeakPassword, check_new


async def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own() -> None:
    made = Passwords(kib=64, passes=1)
    first, second = await made.hashed("correct horse battery"), await made.hashed("correct horse battery")
    assert first.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert first != second
    assert await made.is_right("correct horse battery", first)
    assert not await made.is_right("correct horse batterz", first)
    assert not await made.is_right("correct horse battery", None)


def test_what_one_costs() -> None:
    """RFC 9106 clause 4, second recommendation."""
    made = Passwords()
    assert (made._kib, made._passes) == (65536, 3)


async def test_who_comes_when_too_many_wait_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 2)
    made = Passwords(kib=64, passes=1)
    found = await asyncio.gather(*(made.hashed("x" * 12) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Busy) for each in found) == 3


@pytest.mark.parametrize("weak", ["short", "x" * 257, "aaaaaaaaaaaaaa", "ann@operator.example", "Ann@Operator.Example"])
def test_weak_passwords(weak: str) -> None:
    with pytest.raises(WeakPassword):
        check_new(weak, "ann@operator.example")


def test_a_good_one() -> None:
    check_new("correct horse battery", "ann@operator.example")
