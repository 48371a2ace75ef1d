"""Access tokens that an NRF gives to network functions (3GPP TS 29.510 6.3.5.2.4, TS 33.501 13.4.1). No I/O."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from simwarden.southbound.sbi.answers import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"]
LONGEST = 8192
"""Characters of a token."""
KEPT = 1000
"""Tokens that are remembered, so that their signatures are checked once."""
Key = ECKey | RSAKey | OKPKey


class BadToken(Exception):
    """It opens nothing here. The message says why; `narrow`: it is good, and its scope is another one."""

    def __init__(self, reason: str, *, narrow: bool = False) -> None:
        super().__init__(reason)
        self.narrow = narrow


def load_keys(path: str) -> list[Key]:
    """The NRF's public keys: a file that holds a JWK set, or one key in PEM form. Raises OSError, ValueError."""
    data = Path(path).expanduser().read_bytes()
    try:
        if data.lstrip().startswith(b"{"):
            found = KeySet.import_key_set(msgspec.json.decode(data)).keys
            return [key for key in found if isinstance(key, Key)]
        for kind in (ECKey, RSAKey, OKPKey):
            try:
                return [kind.import_key(data)]
            except (ValueError, TypeError, JoseError):
                continue
    except (JoseError, msgspec.DecodeError, TypeError, KeyError) as error:
        raise ValueError(f"{path} holds no JWK set: {error}") from None
    raise ValueError(f"{path} holds neither a JWK set nor a public key in PEM form")


class NrfTokens:
    """Checks tokens for one service."""

    def __init__(
        self, keys: Sequence[Key], scope: str, audiences: frozenset[str], *, now: Callable[[], float] = time.time
    ) -> None:
        """`audiences`: our type of network function, and our instance id."""
        self._keys = keys
        self._scope = scope
        self._audiences = audiences
        self._now = now
        self._known: dict[str, float] = {}
        """Tokens to when they expire."""

    def check(self, authorization: str) -> None:
        """Raises BadToken unless the value of an Authorization header opens the service."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST:
            raise BadToken("An access token of the NRF is needed")
        expires = self._known.get(token)
        if expires is None:
            expires = self._verified(token)
            while len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[token] = expires
        if expires <= self._now():
            self._known.pop(token, None)
            raise BadToken("The access token has expired")

    def _verified(self, token: str) -> float:
        claims = next((claims for key in self._keys if (claims := _claims(token, key)) is not None), None)
        if claims is None:
            raise BadToken("The access token is not one of the NRF's")
        expires, scopes, audience = claims.get("exp"), claims.get("scope"), claims.get("aud")
        if not isinstance(expires, int | float):
            raise BadToken("The access token does not say when it expires")
        if not self._audiences.intersection([audience] if isinstance(audience, str) else _texts(audience)):
            raise BadToken("The access token is for another network function")
        if not isinstance(scopes, str) or self._scope not in scopes.split():
            raise BadToken(f"The access token does not open {self._scope}", narrow=True)
        return float(expires)


def _claims(token: str, key: Key) -> dict[str, Any] | None:
    """What a token says that this key signed."""
    try:
        return jwt.decode(token, key, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def authorize(tokens: NrfTokens | None, headers: Iterable[tuple[bytes, bytes]], service: str) -> None:
    """Raises Problem, 401 or 403, unless a request carries a token that `tokens` takes; None: any is taken."""
    if tokens is None:
        return
    given = [value for name, value in headers if name == b"authorization"]
    try:
        tokens.check(given[0].decode("latin-1") if len(given) == 1 else "")
    except BadToken as error:
        wrong = b"insufficient_scope" if error.narrow else b"invalid_token"
        challenge = b'Bearer scope="%s", error="%s"' % (service.encode(), wrong)
        raise Problem(403 if error.narrow else 401, str(error), headers=((b"www-authenticate", challenge),)) from None
