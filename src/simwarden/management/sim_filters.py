"""Which SIMs: filters as queries and bodies write them, and as the store takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import identifiers
from simwarden.domain.sim import BarCause, BindingState, Lifecycle
from simwarden.management import schemas
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store.listing import SimFilter

if TYPE_CHECKING:
    from simwarden.management.house import House
    from simwarden.management.query import Query

FILTERS = tuple(field.encode_name for field in msgspec.structs.fields(schemas.FilterBody))
"""The names of the filters, alike in a query and in the body of a bulk operation."""
LIVING = [str(state) for state in Lifecycle if state is not Lifecycle.DELETED]


def filter_body(query: Query) -> schemas.FilterBody:
    """The filters of a query. Raises InvalidArgument."""
    barred = query.choice("barred", ("true", "false"))
    return schemas.FilterBody(
        account=query.text("account"),
        state=query.choice("state", [str(state) for state in BindingState]),  # type: ignore[arg-type]
        lifecycle=query.choice("lifecycle", LIVING),  # type: ignore[arg-type]
        barred=None if barred is None else barred == "true",
        bar=query.choice("bar", [str(cause) for cause in BarCause]),  # type: ignore[arg-type]
        tag=query.texts("tag"),
        imei=query.text("imei"),
        tac=query.text("tac"),
        seen_before=query.time("seenBefore"),
        seen_after=query.time("seenAfter"),
        gateway=query.text("gateway"),
        text=query.text("text"),
    )


async def as_filter(house: House, body: schemas.FilterBody) -> SimFilter:
    """A filter as the store takes it: names looked up, identifiers in canonical form.

    Raises AccountNotFound, GatewayNotFound, InvalidIdentifier, InvalidArgument.
    """
    if body.imei is not None and body.tac is not None:
        raise InvalidArgument("Give one of imei and tac, not both")
    gateway = await house.gateway_id(body.gateway)
    device = identifiers.parse_imei(body.imei).key if body.imei else None
    if body.text is not None and "\x00" in body.text:
        raise InvalidArgument("Invalid value: text")
    return SimFilter(
        account=await house.account_id(body.account),
        state=body.state,
        lifecycle=body.lifecycle,
        barred=body.barred,
        bar=body.bar,
        tags=body.tag,
        imei=identifiers.parse_tac(body.tac) if body.tac else device,
        seen_before=body.seen_before,
        seen_after=body.seen_after,
        gateway=gateway,
        text=body.text,
    )
