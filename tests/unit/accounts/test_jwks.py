"""Which keys of others are taken, and for which algorithms."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from simwarden.accounts import jwks
from simwarden.accounts.jwks import InvalidKey

EC = ECKey.generate_key("P-256").as_dict(private=False)
RSA = RSAKey.generate_key(2048).as_dict(private=False)
ED = OKPKey.generate_key("Ed25519").as_dict(private=False)


@pytest.mark.parametrize(
    ("jwk", "algorithms"),
    [
        (EC, ("ES256",)),
        (ECKey.generate_key("P-384").as_dict(private=False), ("ES384",)),
        (RSA, ("PS256", "RS256")),
        ({**RSA, "alg": "PS256", "use": "sig", "kid": "1", "x5u": "https://evil.example"}, ("PS256",)),
        (ED, ("Ed25519", "EdDSA")),
    ],
)
def test_a_public_key_is_taken(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    found = jwks.parse(jwk)
    assert found.algorithms == algorithms
    assert found.kid == jwk.get("kid")


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "key",
        {},
        ECKey.generate_key("P-256").as_dict(private=True),
        RSAKey.generate_key(2048).as_dict(private=True),
        OctKey.generate_key(256).as_dict(private=True),
        {"kty": "oct"},
        {**RSA, "n": RSA["n"][:172]},
        {**RSA, "e": "AQ"},
        ECKey.generate_key("P-521").as_dict(private=False),
        OKPKey.generate_key("X25519").as_dict(private=False),
        {**EC, "alg": "HS256"},
        {**EC, "alg": "RS256"},
        {**EC, "use": "enc"},
        {**EC, "kty": "RSA"},
        {**EC, "y": EC["x"]},
        {**EC, "x": 7},
        {**EC, "kid": "k" * 1001},
        {**ED, "x": "AA"},
    ],
)
def test_any_other_key_is_refused(jwk: Any) -> None:
    with pytest.raises(InvalidKey):
        jwks.parse(jwk)


def test_a_client_has_few_keys_with_different_ids() -> None:
    assert len(jwks.of_client([EC, RSA])) == 2
    with pytest.raises(InvalidKey, match="same kid"):
        jwks.of_client([{**EC, "kid": "1"}, {**RSA, "kid": "1"}])
    with pytest.raises(InvalidKey, match="at most 10"):
        jwks.of_client([EC] * 11)


def test_of_a_key_set_those_count_that_can_be_used() -> None:
    found = jwks.usable({"keys": [{"kty": "oct", "k": "AA"}, EC, {**RSA, "use": "enc"}, ED]}, 10)
    assert [key.algorithms for key in found] == [("ES256",), ("Ed25519", "EdDSA")]
    wrong: list[Any] = [{"keys": []}, {"keys": [{"kty": "oct"}]}, {"keys": 7}, [], None]
    for none in wrong:
        with pytest.raises(InvalidKey):
            jwks.usable(none, 10)


def test_a_key_id_names_one_key() -> None:
    keys = jwks.of_client([{**EC, "kid": "1"}, {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "2"}])
    assert [key.kid for key in jwks.fitting(keys, "ES256", "2")] == ["2"]
    assert [key.kid for key in jwks.fitting(keys, "ES256", None)] == ["1", "2"]
    assert jwks.fitting(keys, "ES256", "3") == jwks.fitting(keys, "RS256", "1") == []
