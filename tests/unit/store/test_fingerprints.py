"""Fingerprints are HMAC-SHA256 (RFC 2104), as they were stored by every version before."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from simwarden.store.vault import KEY_BYTES, Vault

KEY = bytes(range(KEY_BYTES))


@given(st.binary(max_size=200), st.sampled_from(["sms", "call-peer", "rule-receiver"]))
def test_a_fingerprint_is_an_hmac_under_a_key_derived_from_the_masters(value: bytes, purpose: str) -> None:
    key = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"simwarden fingerprint").derive(KEY)
    assert Vault(KEY).fingerprint(value, purpose) == hmac.digest(key, purpose.encode() + b"\0" + value, "sha256")


def test_fingerprints_of_values_that_differ_differ_whatever_was_asked_before() -> None:
    vault = Vault(KEY)
    first = vault.fingerprint(b"1", "sms")
    assert vault.fingerprint(b"2", "sms") != first
    assert vault.fingerprint(b"1", "sms") == first
