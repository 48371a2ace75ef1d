"""Public keys of others: of clients and of outside issuers (RFC 7517), and which algorithms each may be used with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from simwarden.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_KEYS = 10
"""Of a client. A signature without a key id is tried with each that fits."""
ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "Ed25519", "EdDSA")
"""That signatures of others may be made with (RFC 7518, RFC 8037, RFC 9864)."""
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEPT = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use")
_FITS = {"P-256": ("ES256",), "P-384": ("ES384",), "Ed25519": ("Ed25519", "EdDSA"), "RSA": ("PS256", "RS256")}
_LEAST_BITS, _MOST_BITS = 2048, 4096
_TEXT = 1000
"""Characters of a member of a key; a modulus of 4096 bits has 683."""


class InvalidKey(InvalidValue):
    """This is no public key that signatures can be checked with."""


class PublicKey(msgspec.Struct, frozen=True):
    """A key that signatures are checked with."""

    key: RSAKey | ECKey | OKPKey
    kid: str | None
    algorithms: tuple[str, ...]


def parse(jwk: Any) -> PublicKey:
    """A public key. Raises InvalidKey, which says what is wrong with it."""
    if not isinstance(jwk, dict) or not all(isinstance(name, str) for name in jwk):
        raise InvalidKey("A key is a JSON object (RFC 7517)")
    if not _PRIVATE.isdisjoint(jwk):
        raise InvalidKey("This holds a private or shared key: keep it to yourself, and give the public one")
    kept = {name: jwk[name] for name in _KEPT if name in jwk}
    if any(not isinstance(value, str) or len(value) > _TEXT for value in kept.values()):
        raise InvalidKey("A member of the key is no text, or too long")
    if kept.get("use", "sig") != "sig":
        raise InvalidKey("The key is not for signatures (use)")
    name = "RSA" if kept.get("kty") == "RSA" else kept.get("crv", "")
    fits = _FITS.get(name, ())
    if not fits or {"RSA": "RSA", "Ed25519": "OKP"}.get(name, "EC") != kept.get("kty"):
        raise InvalidKey("A key is RSA, EC on P-256 or P-384, or OKP on Ed25519")
    if "alg" in kept:
        fits = tuple(each for each in fits if each == kept["alg"])
        if not fits:
            raise InvalidKey(f"The key's alg must be one of {', '.join(ALGORITHMS)} that fits it")
    return PublicKey(_import(kept, name), kept.get("kid"), fits)


def of_client(jwks: Iterable[Any]) -> tuple[PublicKey, ...]:
    """The keys of a client, all of which must be right. Raises InvalidKey."""
    keys = tuple(parse(jwk) for jwk in jwks)
    if len(keys) > MOST_KEYS:
        raise InvalidKey(f"A client has at most {MOST_KEYS} keys")
    kids = [key.kid for key in keys if key.kid is not None]
    if len(set(kids)) != len(kids):
        raise InvalidKey("Two keys have the same kid")
    return keys


def usable(jwks: Any, most: int) -> tuple[PublicKey, ...]:
    """Those keys of a key set that can be used here, `most` at most: a set may hold others too.

    Raises InvalidKey when it is no key set, or holds none of them.
    """
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list):
        raise InvalidKey("A key set has a list named keys (RFC 7517 clause 5)")
    found: list[PublicKey] = []
    for jwk in listed[: 10 * most]:
        try:
            found.append(parse(jwk))
        except InvalidKey:
            continue
    if not found:
        raise InvalidKey("The key set holds no key that can be used here")
    return tuple(found[:most])


def public_part(jwk: dict[str, Any]) -> dict[str, str]:
    """What is kept of a key that `parse` takes."""
    return {name: jwk[name] for name in _KEPT if name in jwk}


def fitting(keys: Sequence[PublicKey], algorithm: str, kid: str | None) -> list[PublicKey]:
    """The keys that a signature by this algorithm may be from; with a key id that one only."""
    named = [key for key in keys if key.kid == kid] if kid is not None else list(keys)
    return [key for key in named if algorithm in key.algorithms]


def _import(jwk: dict[str, str], name: str) -> RSAKey | ECKey | OKPKey:
    members: dict[str, str | list[str]] = {key: jwk[key] for key in jwk if key not in ("kid", "alg", "use")}
    try:
        if name == "RSA":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of short keys, which are refused below
                rsa = RSAKey.import_key(members)
            bits = rsa.public_key.key_size
            if not _LEAST_BITS <= bits <= _MOST_BITS or rsa.public_key.public_numbers().e not in (3, 17, 65537):
                raise InvalidKey(f"An RSA key has {_LEAST_BITS} to {_MOST_BITS} bits, and a usual exponent")
            return rsa
        key = OKPKey.import_key(members) if name == "Ed25519" else ECKey.import_key(members)
        _ = key.public_key  # reads the point, which is checked to lie on the curve
    except InvalidKey:
        raise
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidKey("The key's numbers are not those of a public key") from error
    return key
