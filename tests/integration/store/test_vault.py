"""What is encrypted at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.errors import SimwardenError
from simwarden.store.vault import KEY_BYTES, Vault, WrongKey

KEY = bytes(range(32))


@given(st.binary(max_size=300), st.text(max_size=30))
def test_what_is_sealed_can_be_opened_for_its_purpose_only(plain: bytes, purpose: str) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(plain, purpose)
    assert vault.open(sealed, purpose) == plain
    with pytest.raises(WrongKey):
        vault.open(sealed, purpose + "x")
    with pytest.raises(WrongKey):
        Vault(bytes(32)).open(sealed, purpose)


def test_the_same_secret_never_looks_the_same() -> None:
    vault = Vault(KEY)
    assert len({vault.seal(b"secret", "p") for _ in range(50)}) == 50
    assert b"secret" not in vault.seal(b"secret", "p")


@pytest.mark.parametrize("cut", [0, 1, 11, 12, 20])
def test_a_damaged_secret_is_told_as_such(cut: int) -> None:
    vault = Vault(KEY)
    sealed = vault.seal(b"secret", "p")
    with pytest.raises(SimwardenError):
        vault.open(sealed[:cut], "p")
    flipped = bytearray(sealed)
    flipped[-1] ^= 1
    with pytest.raises(WrongKey):
        vault.open(bytes(flipped), "p")


@pytest.mark.parametrize("size", [0, 16, KEY_BYTES - 1, KEY_BYTES + 1])
def test_a_key_has_its_length(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(bytes(size))
