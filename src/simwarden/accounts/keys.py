"""The keys that sign access tokens: made once, sealed by the vault, shared by all processes, rotated."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc.jwk import OKPKey

from simwarden.store.accounts import Accounts, StoredKey
from simwarden.store.vault import signing_key_purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.store.vault import Vault

ALGORITHM = "Ed25519"
"""EdDSA on Curve25519 by its fully specified name (RFC 9864, which deprecates plain `EdDSA`)."""
ACCEPT_RETIRED_FOR = timedelta(days=1)
"""How long a retired key's tokens are still accepted: longer than any token lives."""
REREAD_AFTER = 300.0
"""Seconds after which a process looks for keys that another one made or retired."""
UNKNOWN_AFTER = 5.0
"""Seconds within which an unknown key id leads to one look at most, whoever invents them."""


class SigningKeys:
    """The keys of this installation. The private ones leave the database encrypted only."""

    def __init__(self, accounts: Accounts, vault: Vault, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts = accounts
        self.vault = vault
        self._clock = clock
        self._lock = asyncio.Lock()
        self._read_at: float | None = None
        self._signer: tuple[str, OKPKey] | None = None
        self._public: dict[str, OKPKey] = {}
        self._jwks: list[dict[str, Any]] = []

    async def signer(self) -> tuple[str, OKPKey]:
        """Key id and private key to sign with; made on first use. Raises WrongKey, StoreUnavailable."""
        await self._refresh(REREAD_AFTER)
        assert self._signer is not None
        return self._signer

    async def verifier(self, kid: str) -> OKPKey | None:
        """The public key with this id, if it is ours."""
        await self._refresh(REREAD_AFTER)
        if kid not in self._public:
            await self._refresh(UNKNOWN_AFTER)
        return self._public.get(kid)

    async def jwks(self) -> dict[str, Any]:
        """All public keys whose tokens are accepted (RFC 7517 clause 5)."""
        await self._refresh(REREAD_AFTER)
        return {"keys": self._jwks}

    async def rotate(self) -> str:
        """Sign with a new key from now on; returns its id. Tokens signed before stay valid until they expire."""
        key = self._make()
        await self._accounts.rotate_signing_key(key)
        self._read_at = None
        return key.kid

    async def _refresh(self, after: float) -> None:
        if self._read_at is not None and self._clock() - self._read_at < after:
            return
        async with self._lock:
            if self._read_at is not None and self._clock() - self._read_at < after:
                return
            stored = await self._accounts.signing_keys(self._make, ACCEPT_RETIRED_FOR)
            newest = stored[0]
            private = msgspec.json.decode(self.vault.open(newest.private_key, signing_key_purpose(newest.kid)))
            self._signer = (newest.kid, OKPKey.import_key(private))
            self._public = {key.kid: OKPKey.import_key(key.public_jwk) for key in stored}
            self._jwks = [key.public_jwk for key in stored]
            self._read_at = self._clock()

    def _make(self) -> StoredKey:
        key = OKPKey.generate_key("Ed25519", private=True)
        kid = key.thumbprint()
        public = {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
        sealed = self.vault.seal(msgspec.json.encode(key.as_dict(private=True)), signing_key_purpose(kid))
        return StoredKey(kid, ALGORITHM, sealed, public)
