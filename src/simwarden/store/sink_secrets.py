"""What a sink trusts us by, encrypted at rest: its access token and the secrets that sign notifications."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.store.vault import signing_purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.vault import Vault


class SigningSecret(msgspec.Struct, frozen=True, omit_defaults=True):
    """One secret `whsec_<base64>`."""

    secret: str
    until: datetime | None = None
    """It signs until then; None: until it is rotated."""
    since: datetime | None = None
    """It signs from then on; None: from the beginning."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[SigningSecret])


def seal_secrets(vault: Vault, subscription_id: str, secrets: Sequence[SigningSecret]) -> bytes:
    """Encrypt the signing secrets of a subscription, newest first."""
    return vault.seal(_encoder.encode(secrets), signing_purpose(subscription_id))


def unseal_secrets(vault: Vault, subscription_id: str, sealed: bytes) -> list[SigningSecret]:
    """The signing secrets of a subscription, newest first, ended ones included. Raises WrongKey."""
    return _decoder.decode(vault.open(sealed, signing_purpose(subscription_id)))


def seal_credential(vault: Vault, subscription_id: str, access_token: str) -> bytes:
    """Encrypt the access token of a sink."""
    return vault.seal(access_token.encode(), f"subscription-credential:{subscription_id}")


def unseal_credential(vault: Vault, subscription_id: str, sealed: bytes) -> str:
    """The access token of a sink. Raises WrongKey."""
    return vault.open(sealed, f"subscription-credential:{subscription_id}").decode()
