"""Encryption at rest of what must be read back: gateway passwords, sink credentials, signing keys."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from simwarden.domain.errors import SimwardenError

KEY_BYTES = 32


class WrongKey(SimwardenError):
    """A stored secret cannot be opened with this master key: was the key file replaced?"""


class Vault:
    """AES-256-GCM under one master key. `purpose` binds a ciphertext to its use, so that columns cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A master key has {KEY_BYTES} bytes, this one {len(key)}")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt; the result carries its nonce."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt. Raises WrongKey."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], purpose.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to have been sealed
            raise WrongKey from error
