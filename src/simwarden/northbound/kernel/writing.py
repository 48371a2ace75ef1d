"""Operations that change something, and may be repeated under an Idempotency-Key."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from simwarden.domain.errors import KeyReused, SimwardenError, StoreUnavailable
from simwarden.engine.idempotency import Kept, Once, Replayed
from simwarden.northbound.kernel.api import Answer, Request, refusal, replay
from simwarden.northbound.kernel.errors import CamaraError, Internal, of_domain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
_encoder = msgspec.json.Encoder()


async def perform(
    request: Request,
    act: Callable[[Once | None], Awaitable[T]],
    answer: Callable[[T | SimwardenError], Answer],
) -> Answer:
    """Do the work of a call, once for each Idempotency-Key, and answer.

    `act` does it, and keeps the answer in the same transaction when it is given a Once. `answer` says what the outcome
    means: for what `act` returned, and for the SimwardenError by which it refused; it may raise CamaraError or that
    error itself. It is called inside the transaction too, so it must be quick and pure.
    """
    call = request.call
    once = None if call is None else Once(call.name, call.digest, lambda outcome: _kept(answer, outcome))
    try:
        outcome = await act(once)
    except Replayed as replayed:
        return replay(replayed.kept)
    except (StoreUnavailable, KeyReused):
        raise
    except SimwardenError as error:
        return msgspec.structs.replace(answer(error), idle=True)
    return answer(outcome)


def _kept(answer: Callable[[T | SimwardenError], Answer], outcome: T | SimwardenError) -> Kept:
    try:
        made = answer(outcome)
    except CamaraError as error:
        made = refusal(error)
    except SimwardenError as error:
        made = refusal(of_domain(error) or Internal())
    headers = tuple((name.decode("ascii"), value.decode("ascii")) for name, value in made.headers)
    return Kept(made.status, b"" if made.body is None else _encoder.encode(made.body), headers)
