"""Signed statements: what is read of them, whose signature counts, and when they hold."""

from __future__ import annotations

import base64
import hmac
import json
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from simwarden.accounts import assertions, jwks
from simwarden.accounts.assertions import AssertionRefused

KEY = ECKey.generate_key("P-256")
PUBLIC = jwks.parse(KEY.as_dict(private=False))
NOW = 1_800_000_000


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(key: Any = KEY, algorithm: str = "ES256", **header: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc's, of EdDSA and of odd secrets
        return jwt.encode({"alg": algorithm, **header}, {"iss": "me"}, key, algorithms=[algorithm])


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (KEY, "ES256"),
        (ECKey.generate_key("P-384"), "ES384"),
        (RSAKey.generate_key(2048), "RS256"),
        (RSAKey.generate_key(2048), "PS256"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_a_signature_by_the_key_is_taken_and_by_another_is_not(key: Any, algorithm: str) -> None:
    statement = assertions.read(signed(key, algorithm))
    assertions.check_signature(statement, [PUBLIC, jwks.parse(key.as_dict(private=False))])
    another = type(key).generate_key(key.curve_name if algorithm[0] == "E" else 2048)
    with pytest.raises(AssertionRefused):
        assertions.check_signature(statement, [jwks.parse(another.as_dict(private=False))])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "e30.e30.AA",
        f"{part({'alg': 'none'})}.{part({'iss': 'me'})}.",
        f"{part({'alg': 'none'})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': 'NONE'})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': 'HS256'})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': ['ES256']})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': 'ES256', 'crit': ['exp']})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': 'ES256', 'kid': 7})}.{part({'iss': 'me'})}.AA",
        f"{part({'alg': 'ES256'})}.{part(['iss'])}.AA",
        f"{part({'alg': 'ES256'})}.{base64.urlsafe_b64encode(b'[' * 5000).decode()}.AA",
        f"{part({'alg': 'ES256'})}.{part({'iss': 'x' * 9000})}.AA",
        f"{part({'alg': 'ES256'})}.é.AA",
        signed() + ".AA",
    ],
)
def test_what_is_no_signed_jwt_is_refused(text: str) -> None:
    with pytest.raises(AssertionRefused) as refused:
        assertions.read(text)
    assert not refused.value.known


def test_the_public_key_is_no_shared_secret() -> None:
    """The attack of 2015: HS256 with the text of the public key."""
    for secret in (json.dumps(KEY.as_dict(private=False)).encode(), KEY.as_pem(private=False)):
        text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'iss': 'me'})}"
        mac = base64.urlsafe_b64encode(hmac.digest(secret, text.encode(), "sha256")).rstrip(b"=").decode()
        with pytest.raises(AssertionRefused, match="algorithm"):
            assertions.read(f"{text}.{mac}")


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_statement_brings_along_does_not_count(name: str) -> None:
    own = ECKey.generate_key("P-256")
    value = {"jwk": own.as_dict(private=False), "x5c": ["AA=="]}.get(name, "https://evil.example/keys")
    header = {"alg": "ES256", name: value}
    text = f"{part(header)}.{part({'iss': 'me'})}"
    good = own.get_op_key("sign")
    r, s = utils.decode_dss_signature(good.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    raw = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    statement = assertions.read(f"{text}.{raw}")
    assertions.check_signature(statement, [jwks.parse(own.as_dict(private=False))])
    with pytest.raises(AssertionRefused):
        assertions.check_signature(statement, [PUBLIC])


def test_a_key_id_is_a_name_and_nothing_else() -> None:
    statement = assertions.read(signed(kid="../../etc/passwd"))
    with pytest.raises(AssertionRefused):
        assertions.check_signature(statement, [PUBLIC])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW + 300, "iat": NOW}, None),
        ({"exp": NOW + 60}, None),
        ({"exp": NOW - 4, "iat": NOW - 300}, None),
        ({"exp": NOW + 60, "iat": NOW + 5, "nbf": NOW + 5}, None),
        ({}, "exp is missing"),
        ({"exp": NOW - 5}, "expired"),
        ({"exp": NOW + 306}, "within 300 seconds"),
        ({"exp": NOW + 60, "iat": NOW + 6}, "later than now"),
        ({"exp": NOW + 60, "iat": NOW - 241}, "more than 300 seconds"),
        ({"exp": NOW + 60, "nbf": NOW + 6}, "not hold yet"),
        ({"exp": "soon"}, "no time"),
        ({"exp": True}, "no time"),
        ({"exp": 1e300}, "no time"),
        ({"exp": float("nan")}, "no time"),
    ],
)
def test_times(claims: dict[str, Any], reason: str | None) -> None:
    """CAMARA's profile, "Client Authentication" and "JWT Bearer Flow", with clocks that may differ by 5 seconds."""
    if reason is None:
        assertions.check_times(claims, NOW, skew=5, needs_iat=False)
        return
    with pytest.raises(AssertionRefused, match=reason):
        assertions.check_times(claims, NOW, skew=5, needs_iat=False)


def test_without_tolerance_the_profile_holds_to_the_letter() -> None:
    assertions.check_times({"exp": NOW + 300, "iat": NOW}, NOW, skew=0, needs_iat=True)
    for claims in ({"exp": NOW + 301}, {"exp": NOW + 60, "iat": NOW + 1}, {"exp": NOW}, {"exp": NOW + 300}):
        with pytest.raises(AssertionRefused):
            assertions.check_times(claims, NOW, skew=0, needs_iat=True)


@pytest.mark.parametrize("audience", ["https://a.example/token", ["https://a.example"]])
def test_a_statement_for_this_server_is_taken(audience: Any) -> None:
    assertions.check_audience({"aud": audience}, {"https://a.example", "https://a.example/token"})


@pytest.mark.parametrize(
    "audience",
    [None, "", 7, [], ["https://a.example", "https://b.example"], "https://a.example/", "https://b.example", [7]],
)
def test_a_statement_for_another_server_is_refused(audience: Any) -> None:
    with pytest.raises(AssertionRefused, match="audience"):
        assertions.check_audience({"aud": audience}, {"https://a.example"})
