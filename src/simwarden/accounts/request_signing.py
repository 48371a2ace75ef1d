"""Calls that are signed in place of carrying a token: HMAC-SHA256 under a secret that the application and we share.

China Telecom's proposals have APPKEY and APPSECRET at a gateway, and no token. What is signed is the text of
`canonical`: method, path, query, APPKEY, time, nonce and the SHA-256 of the body, a line each (docs/signing.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.accounts.tokens import Caller, Tokens
    from simwarden.edge.throttle import Guard
    from simwarden.store.clients import Clients, UsedOnce

SCHEME = "SIMWARDEN-HMAC-SHA256"
SECRET_PREFIX = "swh_"  # noqa: S105 - what secret scanners are to look for, not a secret
WINDOW = 300
"""Seconds that the time of a request may be off."""
MAX_OVERLAP = timedelta(days=30)
_PAIR = re.compile(r'\s*([a-z]+)="([^"\\]{1,256})"\s*')
_NAMES = frozenset({"appkey", "timestamp", "nonce", "digest", "signature"})
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TIME = re.compile(r"[0-9]{10}")
_NOBODY = secrets.token_bytes(32)


class WrongSignature(SimwardenError):
    """The request is not signed as it should be."""

    status, code = 401, "UNAUTHENTICATED"


class TooManyWrong(SimwardenError):
    """Too many wrong signatures of this application or from this address."""

    status, code = 429, "TOO_MANY_REQUESTS"

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many wrong signatures of this application or this address, try again in {wait} seconds")
        self.retry_after = wait


class SignedCall(msgspec.Struct, frozen=True):
    """A call whose head is signed."""

    caller: Caller
    digest: bytes
    """SHA-256 that the body must have."""

    def covers(self, body: bytes) -> bool:
        """Whether this is the body that was signed."""
        return hmac.compare_digest(hashlib.sha256(body).digest(), self.digest)


def new_secret() -> str:
    """A secret to sign with; its text is the key."""
    return SECRET_PREFIX + secrets.token_urlsafe(32)


def canonical(method: str, path: str, query: str, appkey: str, timestamp: str, nonce: str, digest: str) -> bytes:
    """What is signed. `digest`: the body's SHA-256 in base64."""
    lines = [SCHEME, method, path, query, appkey, timestamp, nonce, digest]
    return "\n".join(lines).encode()


def signature(secret: bytes, text: bytes) -> str:
    """The signature of this text, in base64."""
    return base64.b64encode(hmac.digest(secret, text, "sha256")).decode("ascii")


def authorization(
    secret: str, appkey: str, method: str, path: str, body: bytes, *, query: str = "", at: int, nonce: str
) -> str:
    """The Authorization header of a request; `at` in seconds since 1970."""
    when, once = str(at), nonce
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
    signed = signature(secret.encode(), canonical(method, path, query, appkey, when, once, digest))
    return f'{SCHEME} appkey="{appkey}", timestamp="{when}", nonce="{once}", digest="{digest}", signature="{signed}"'


class RequestSignatures:
    """Checks them. A nonce is good once, over all processes and servers."""

    def __init__(
        self,
        clients: Clients,
        once: UsedOnce,
        tokens: Tokens,
        guard: Guard | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clients = clients
        self._once = once
        self._tokens = tokens
        self._guard = guard
        self._now = now

    async def check(self, header: str, method: str, path: str, query: str, address: str) -> SignedCall | None:
        """Who signed this; None when the header is of another scheme.

        Raises WrongSignature, TooManyWrong, StoreUnavailable. An unknown application takes the same path as a wrong
        signature, and comparing takes the same time for every signature.
        """
        scheme, _, rest = header.partition(" ")
        if scheme.upper() != SCHEME:
            return None
        given = _parameters(rest)
        appkey = given["appkey"]
        if self._guard is not None and (wait := self._guard.wait(appkey, "", address)):
            await self._guard.held_back.wait(address)
            raise TooManyWrong(wait)
        now = self._now()
        text = canonical(method, path, query, appkey, given["timestamp"], given["nonce"], given["digest"])
        right = False
        for secret in await self._secrets(appkey, now):
            right |= hmac.compare_digest(signature(secret, text), given["signature"])
        caller = await self._tokens.caller(appkey)
        if not right or caller is None:
            if self._guard is not None:
                self._guard.failed(appkey, "", address)
            raise WrongSignature("Unknown APPKEY, a wrong signature, or a revoked application")
        at = int(given["timestamp"])
        if abs(now - at) > WINDOW:
            raise WrongSignature(f"The timestamp must be within {WINDOW} seconds of now")
        until = datetime.fromtimestamp(at + 2 * WINDOW, UTC)
        if not await self._once.claim("nonce", appkey, given["nonce"], until=until):
            raise WrongSignature("The nonce was used before")
        return SignedCall(caller, base64.b64decode(given["digest"]))

    async def _secrets(self, appkey: str, now: float) -> list[bytes]:
        """The secrets that are good now: always two, so that it takes the same time whose they are."""
        found = None
        if appkey.isascii() and appkey.isprintable():
            found = await self._clients.signing_secrets(appkey)
        if found is None:
            return [_NOBODY, _NOBODY]
        until = found.previous_until
        is_good = found.previous is not None and until is not None and until.timestamp() > now
        return [found.current, found.previous if is_good and found.previous is not None else _NOBODY]


def _parameters(text: str) -> dict[str, str]:
    """The parameters of the header, each once and well-formed. Raises WrongSignature."""
    pairs = [_PAIR.fullmatch(part) for part in text.split(",")]
    found = {pair[1]: pair[2] for pair in pairs if pair is not None}
    if len(pairs) != len(_NAMES) or found.keys() != _NAMES:
        raise WrongSignature(f"The parameters of {SCHEME} are {', '.join(sorted(_NAMES))}, each once and quoted")
    if not _TIME.fullmatch(found["timestamp"]) or not _NONCE.fullmatch(found["nonce"]):
        raise WrongSignature("timestamp is in seconds since 1970, nonce has 16 to 64 letters, digits, - and _")
    try:
        digest = base64.b64decode(found["digest"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise WrongSignature("digest is the SHA-256 of the body in base64") from error
    if len(digest) != hashlib.sha256().digest_size or not found["signature"].isascii():
        raise WrongSignature("digest is the SHA-256 of the body in base64")
    return found
