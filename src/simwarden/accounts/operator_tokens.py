"""TS.43 tokens: what an entitlement server of the operator gave a device, presented as `operatortoken:`.

TS.43 leaves the form to the operator. Here it is a JWT that the entitlement server signs, with `iss`, `aud`, `exp` and
the phone number as `phone_number`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from simwarden.accounts import assertions
from simwarden.accounts.assertions import AssertionRefused
from simwarden.accounts.fetching import KeysUnavailable
from simwarden.domain.errors import InvalidIdentifier, StoreUnavailable
from simwarden.domain.identifiers import parse_msisdn

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.accounts.fetching import KeySets


class OperatorTokens:
    """Those of one entitlement server."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str,
        audience: str,
        key_sets: KeySets,
        *,
        skew: int = 5,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._audience = audience
        self._key_sets = key_sets
        self._skew = skew
        self._now = now

    async def phone_number(self, token: str) -> str | None:
        """Of the SIM for which the token was given; None when it is no good. Raises StoreUnavailable."""
        try:
            statement = assertions.read(token)
            if statement.claims.get("iss") != self._issuer:
                return None
            assertions.check_signature(statement, await self._key_sets.keys(self._jwks_url, statement.header.kid))
            assertions.check_audience(statement.claims, {self._audience})
            assertions.check_running(statement.claims, self._now(), skew=self._skew)
            return parse_msisdn(assertions.text_of(statement.claims, "phone_number"))
        except (AssertionRefused, InvalidIdentifier):
            return None
        except KeysUnavailable as error:
            raise StoreUnavailable("The keys of the operator's entitlement server cannot be had") from error
