"""Finding SIMs by the addresses that their sessions have."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database

    Wanted = tuple[str, SimRef]
    Find = Callable[[Database, Sequence[Wanted]], Awaitable[Mapping[Wanted, Sim]]]

Q = load("sim_addresses")


async def find(db: Database, wanted: Sequence[Wanted], by_imsi: Find) -> dict[Wanted, Sim]:
    """The SIMs whose sessions have these addresses (account, name) now. `by_imsi` finds SIMs by their IMSIs."""
    imsis = await _imsis(db, wanted)
    named = {each: (each[0], SimRef(IdentifierKind.IMSI, imsi)) for each, imsi in imsis.items()}
    sims = await by_imsi(db, list(named.values())) if named else {}
    return {each: sims[name] for each, name in named.items() if name in sims}


async def _imsis(db: Database, wanted: Sequence[Wanted]) -> dict[Wanted, str]:
    """The IMSIs of the SIMs whose sessions have these addresses (account, name) now.

    Names are those of CAMARA's Device: an IPv4 address with a port, or with itself as the private address, which is one
    that no NAT stands before. What belongs to other accounts' SIMs is missing, as unknown addresses are.
    """
    single = [(n, address) for n, (_, ref) in enumerate(wanted) if (address := _own_address(ref)) is not None]
    prefixes = [(n, prefix) for n, (_, ref) in enumerate(wanted) for prefix in _prefixes(ref)]
    if not single and not prefixes:
        return {}
    rows = await db.fetch(
        Q["find"],
        ALL_BUCKETS,
        [n for n, _ in single],
        [address for _, address in single],
        list(range(len(wanted))),
        [account_id for account_id, _ in wanted],
        [n for n, _ in prefixes],
        [prefix for _, prefix in prefixes],
    )
    return {wanted[row["ord"]]: row["imsi"] for row in rows}


_LENGTHS = (128, 64, 62, 60, 56, 52, 48)
"""Of IPv6 prefixes that networks give to devices."""


def _own_address(ref: SimRef) -> str | None:
    if ref.kind is not IdentifierKind.IPV4:
        return None
    public, _, private = ref.value.partition("/")
    if private:
        return private if private == public else None
    return public.rpartition(":")[0]


def _prefixes(ref: SimRef) -> list[str]:
    if ref.kind is not IdentifierKind.IPV6:
        return []
    return [str(ipaddress.IPv6Network((ref.value, length), strict=False)) for length in _LENGTHS]
