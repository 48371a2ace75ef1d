"""Whom a 3-legged token is about: named to the application by a pseudonym, and to this server by a sealed number."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_msisdn
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from simwarden.store.vault import Vault


class Subjects:
    """Pairwise pseudonymous identifiers (OpenID Connect Core clause 8.1), and phone numbers sealed into tokens.

    Whoever reads a token, its application too, learns nothing of the number: the application may have named the SIM by
    an address.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def pseudonym(self, app_key: str, msisdn: str) -> str:
        """What `sub` says of this SIM to this application: stable, and another one to every application."""
        return self._vault.keyed_digest(msisdn.encode("ascii"), f"subject:{app_key}").hex()

    def seal(self, app_key: str, msisdn: str) -> str:
        """The number as a claim."""
        return base64.urlsafe_b64encode(self._vault.seal(msisdn.encode("ascii"), _purpose(app_key))).decode("ascii")

    def open(self, app_key: str, sealed: object) -> str | None:
        """The number in a claim; None when it is none of ours for this application."""
        if not isinstance(sealed, str):
            return None
        try:
            found = self._vault.open(base64.urlsafe_b64decode(sealed.encode("ascii")), _purpose(app_key))
            return parse_msisdn(found.decode("ascii"))
        except (WrongKey, InvalidIdentifier, ValueError, binascii.Error):
            return None


def _purpose(app_key: str) -> str:
    return f"token-device:{app_key}"
