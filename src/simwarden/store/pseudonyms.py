"""Names of devices that mean something to one application alone (CAMARA: pairwise pseudonymous identifiers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.store.vault import Vault


class Pseudonyms:
    """HMAC-SHA256 of the IMEI's 14 digits, under a key that the master key and the application's APPKEY give.

    Nothing is stored, so a pseudonym stays the same for as long as those two do: another master key, or another
    application in place of the one before, gives other names. The application's secret has no part in it.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def of(self, app_key: str, imei: str) -> str:
        """64 hexadecimal digits. `imei`: 14 digits."""
        return self._vault.keyed_digest(imei.encode("ascii"), f"ppid:{app_key}").hex()
