"""RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11): which limits a call was held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.rates import ServiceLimit


def of(limits: Sequence[ServiceLimit]) -> list[tuple[bytes, bytes]]:
    """The two headers; none without limits. Names of limits are visible ASCII without quotation marks."""
    if not limits:
        return []
    policy = ", ".join(f'"{each.name}";q={each.quota};w={each.window}' for each in limits)
    left = ", ".join(f'"{each.name}";r={each.left};t={each.resets}' for each in limits)
    return [(b"ratelimit-policy", policy.encode("ascii")), (b"ratelimit", left.encode("ascii"))]
