"""RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11): which limits a call was held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.rates import ServiceLimit


def of(limits: Sequence[ServiceLimit]) -> list[tuple[bytes, bytes]]:
    """The two headers."""
    left = ", ".join([f'"{each.name}";r={each.left};t={each.resets}' for each in limits])
    policies = ", ".join([each.policy for each in limits])
    return [(b"ratelimit-policy", policies.encode("ascii")), (b"ratelimit", left.encode("ascii"))]
