"""Passwords of people: Argon2id (RFC 9106), computed beside the event loop and few at a time."""

from __future__ import annotations

import asyncio
import os

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from simwarden.domain.errors import InvalidValue, SimwardenError

LEAST = 12
MOST = 256
"""Characters of a password."""
WAITING = 32
"""Passwords that wait to be looked at, in one process."""


class WeakPassword(InvalidValue):
    """A password has 12 to 256 characters, is not the e-mail address, and does not repeat few characters."""


class Busy(SimwardenError):
    """Too many passwords are looked at. Try again in a moment."""

    status, code = 429, "TOO_MANY_REQUESTS"
    retry_after = 5


class Passwords:
    """Makes and checks what is stored of passwords."""

    def __init__(self, *, kib: int = 64 * 1024, passes: int = 3, at_once: int = 1) -> None:
        """`kib`, `passes`: what one costs (RFC 9106 clause 4, the second recommendation, on one lane)."""
        self._kib = kib
        self._passes = passes
        self._turns = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._nobody: str | None = None

    async def hashed(self, password: str) -> str:
        """What is stored, in PHC form. Raises Busy."""
        return str(await self._in_turn(self._derive, password.encode()))

    async def is_right(self, password: str, stored: str | None) -> bool:
        """Whether a password is the stored one; with None never, after the same work. Raises Busy."""
        if self._nobody is None:
            self._nobody = await self.hashed(os.urandom(16).hex())
        return bool(await self._in_turn(_verify, password.encode(), stored or self._nobody)) and stored is not None

    async def _in_turn(self, work: object, *args: object) -> object:
        if self._waiting >= WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work, *args)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1

    def _derive(self, password: bytes) -> str:
        made = Argon2id(salt=os.urandom(16), length=32, iterations=self._passes, lanes=1, memory_cost=self._kib)
        return made.derive_phc_encoded(password)


def check_new(password: str, email: str) -> None:
    """Raises WeakPassword."""
    weak = len(set(password)) < 5 or password.casefold() in (email, email.partition("@")[0])
    if not LEAST <= len(password) <= MOST or weak:
        raise WeakPassword


def _verify(password: bytes, stored: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password, stored)
    except InvalidKey:
        return False
    return True
