"""Encryption at rest of what must be read back: gateway passwords, sink credentials, signing keys."""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simwarden.domain.errors import SimwardenError

KEY_BYTES = 32
_BLOCK = 64  # bytes that SHA-256 takes at a time


class WrongKey(SimwardenError):
    """A stored secret cannot be opened with this master key: was the key file replaced?"""


class Vault:
    """AES-256-GCM under one master key. `purpose` binds a ciphertext to its use, so that columns cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"A master key has {KEY_BYTES} bytes, this one {len(key)}")
        self._cipher = AESGCM(key)
        self._digest = _Hmac(HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"simwarden fingerprint").derive(key))
        self._naming_key = HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"simwarden naming").derive(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt; the result carries its nonce."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def fingerprint(self, value: bytes, purpose: str) -> bytes:
        """A digest to look equal values up by, which nobody without the master key can try values against."""
        return self._digest.of(purpose.encode() + b"\0" + value)

    def keyed_digest(self, value: bytes, purpose: str) -> bytes:
        """The HMAC-SHA256 of a value under a key that belongs to this purpose alone, for values that are handed out."""
        return hmac.digest(hmac.digest(self._naming_key, purpose.encode(), "sha256"), value, "sha256")

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt. Raises WrongKey."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], purpose.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to have been sealed
            raise WrongKey from error


class _Hmac:
    """HMAC-SHA256 (RFC 2104) under one key, for very many short values: each record has three.

    The key's blocks are hashed once and copied. `hmac.digest` lets OpenSSL fetch and set up all of it for each value,
    which takes three times as long.
    """

    def __init__(self, key: bytes) -> None:
        """`key`: not longer than a block."""
        block = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def of(self, value: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return outer.digest()


def signing_key_purpose(kid: str) -> str:
    """Of a key that signs access tokens."""
    return f"signing_key:{kid}"


def request_signing_purpose(app_key: str) -> str:
    """Of the secrets with which an application signs requests."""
    return f"request-signing:{app_key}"


def gateway_purpose(gateway_id: int) -> str:
    """Of a gateway's password."""
    return f"gateway-password:{gateway_id}"


def inbox_purpose(inbox_id: str) -> str:
    """Of the secret that signs what goes to an inbox."""
    return f"inbox:{inbox_id}"


def signing_purpose(subscription_id: str) -> str:
    """Of the secrets that sign a subscription's notifications."""
    return f"subscription-signing:{subscription_id}"
