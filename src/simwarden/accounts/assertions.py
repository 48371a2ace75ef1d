"""Signed statements of others: whether the signature is theirs, and whether the times are right. No I/O.

Nothing that such a statement says about where its key is (`jwk`, `jku`, `x5u`, `x5c`) is ever looked at.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.util import urlsafe_b64decode

from simwarden.accounts.jwks import ALGORITHMS, fitting

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from simwarden.accounts.jwks import PublicKey

MAX_LENGTH = 8192
"""Characters."""
LONGEST = 300
"""Seconds for which a statement may hold (CAMARA's security profile, "Client Authentication")."""
_MAX_TEXT = 256
"""Characters of an id."""


class AssertionRefused(Exception):
    """The statement is no good. `known`: it was signed by whom it names, so he may be told why."""

    def __init__(self, reason: str, *, known: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.known = known


class Header(msgspec.Struct, frozen=True):
    """What of a header counts."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    crit: Any = None


class Unverified(msgspec.Struct, frozen=True):
    """What a statement says before its signature is checked."""

    text: str
    header: Header
    claims: dict[str, Any]


_NOBODYS_KEY = ECKey.generate_key("P-256")
_NOBODYS_WORD = jwt.encode({"alg": "ES256"}, {}, ECKey.generate_key("P-256"))
_header = msgspec.json.Decoder(Header)
_claims = msgspec.json.Decoder(dict[str, Any])


def read(text: str, *, longest: int = MAX_LENGTH) -> Unverified:
    """Take a JWS in compact form apart (RFC 7515 clause 3.1). Raises AssertionRefused."""
    parts = text.split(".")
    if len(text) > longest or not text.isascii() or len(parts) != 3 or not all(parts):
        raise AssertionRefused("This is no signed JWT")
    try:
        header = _header.decode(urlsafe_b64decode(parts[0].encode()))
        claims = _claims.decode(urlsafe_b64decode(parts[1].encode()))
    except (ValueError, RecursionError) as error:
        raise AssertionRefused("This is no signed JWT") from error
    if header.alg not in ALGORITHMS:
        raise AssertionRefused(f"The algorithm must be one of {', '.join(ALGORITHMS)}")
    if header.crit is not None:
        raise AssertionRefused("No critical header parameters are understood")
    return Unverified(text, header, claims)


def check_signature(statement: Unverified, keys: Sequence[PublicKey]) -> None:
    """Raises AssertionRefused unless one of these keys made the signature."""
    found = fitting(keys, statement.header.alg, statement.header.kid)
    if not found:  # takes as long as with a key: time must not tell which clients and keys there are
        with contextlib.suppress(JoseError):
            jwt.decode(_NOBODYS_WORD, _NOBODYS_KEY, algorithms=["ES256"])
    for key in found:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # EdDSA, which RFC 9864 deprecates, is what most clients write still
                jwt.decode(statement.text, key.key, algorithms=[statement.header.alg])
        except JoseError:
            continue
        return
    raise AssertionRefused("The signature is by none of the client's keys")


def check_times(claims: dict[str, Any], now: float, *, skew: int, needs_iat: bool) -> None:
    """Raises AssertionRefused unless the statement holds now, and for no longer than `LONGEST`."""
    expires, issued, begins = (_time(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None:
        raise AssertionRefused("The claim exp is missing", known=True)
    if issued is None and needs_iat:
        raise AssertionRefused("The claim iat is missing", known=True)
    if expires <= now - skew:
        raise AssertionRefused("It has expired (exp)", known=True)
    if expires > now + LONGEST + skew:
        raise AssertionRefused(f"It must expire within {LONGEST} seconds (exp)", known=True)
    if issued is not None and issued > now + skew:
        raise AssertionRefused("It was issued later than now (iat)", known=True)
    if issued is not None and expires - issued > LONGEST:
        raise AssertionRefused(f"It must not hold for more than {LONGEST} seconds (exp, iat)", known=True)
    if begins is not None and begins > now + skew:
        raise AssertionRefused("It does not hold yet (nbf)", known=True)


def check_running(claims: dict[str, Any], now: float, *, skew: int) -> float:
    """Raises AssertionRefused unless a token of an issuer holds now, however long; returns when it expires."""
    expires, begins = _time(claims, "exp"), _time(claims, "nbf")
    if expires is None or expires <= now - skew:
        raise AssertionRefused("It has expired (exp)", known=True)
    if begins is not None and begins > now + skew:
        raise AssertionRefused("It does not hold yet (nbf)", known=True)
    return expires


def check_audience(claims: dict[str, Any], accepted: Collection[str]) -> None:
    """Raises AssertionRefused unless the statement is for one of these alone: for several, others could use it."""
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str) or audience not in accepted:
        raise AssertionRefused(f"The audience (aud) must be {min(accepted)}", known=True)


def text_of(claims: dict[str, Any], name: str, *, most: int = _MAX_TEXT) -> str:
    """A claim that must be there. Raises AssertionRefused."""
    value = claims.get(name)
    if not isinstance(value, str) or not value or len(value) > most:
        raise AssertionRefused(f"The claim {name} is missing, no text, or longer than {most} characters", known=True)
    return value


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise AssertionRefused(f"The claim {name} is no time", known=True)
    return value
