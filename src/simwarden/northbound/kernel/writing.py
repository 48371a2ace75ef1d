"""Operations that change something, and may be repeated under an Idempotency-Key."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from simwarden.domain.errors import SimNotFound, SimwardenError
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.idempotency import IdempotentRequest, ReplayedResponse, StoredResponse
from simwarden.northbound.kernel.api import Answer, Request, refusal, replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import SimRef
    from simwarden.northbound.kernel.services import Services

    Instead = Mapping[type[SimwardenError], Callable[[Any], Answer | SimwardenError]]
    """By class of error, what this operation answers to it: another error, or an answer of its own."""

T = TypeVar("T")
AS_IT_IS: Instead = MappingProxyType({})
_encoder = msgspec.json.Encoder()


async def execute(
    request: Request,
    act: Callable[[IdempotentRequest | None], Awaitable[T]],
    answer: Callable[[T], Answer],
    instead: Instead = AS_IT_IS,
) -> Answer:
    """Do the work of a call, once for each Idempotency-Key, and answer.

    `act` does it, and keeps the answer in the same transaction when it is given an IdempotentRequest. `answer` says
    what its outcome means. An error by which it refuses is answered with the error's own status and code, unless the
    document of this operation says otherwise: that stands in `instead`. Both are called inside the transaction too, so
    they must be quick and pure. What is answered instead of an error is not counted.
    """
    call = request.call

    def keep(outcome: T | SimwardenError) -> StoredResponse:
        if isinstance(outcome, SimwardenError):
            return _kept(_made(outcome, instead))
        return _kept(answer(outcome))

    once = None if call is None else IdempotentRequest(call.name, call.digest, keep)
    try:
        outcome = await act(once)
    except ReplayedResponse as replayed:
        return replay(replayed.kept)
    except SimwardenError as error:
        made = _made(error, instead)
        if made is error:
            raise
        if isinstance(made, SimwardenError):
            raise made from error
        return msgspec.structs.replace(made, idle=True)
    return answer(outcome)


class SimCommands:
    """Calls that ask for a command to a SIM."""

    def __init__(self, services: Services) -> None:
        self._commands = services.commands
        self._devices = services.devices
        self._clock = services.edge.clock

    async def perform(
        self,
        request: Request,
        ref: SimRef,
        command: Command,
        answer: Callable[[Decision], Answer],
        instead: Instead = AS_IT_IS,
        *,
        operation: str | None = None,
    ) -> Answer:
        """Carry the command out for the caller, metered and once for each Idempotency-Key, and answer like `execute`.

        `operation` is what the events name as their cause; without it, the command's verb.
        """
        caller = request.caller
        cause = Cause(CauseKind.CALL, caller.app_key, self._clock(), operation or command.verb, request.correlator)
        wanted = SimCommand(ref, command, cause, caller.account_id, request.usage)

        async def act(once: IdempotentRequest | None) -> Decision:
            try:
                return await self._commands.submit(wanted, once)
            except SimNotFound:
                await self._devices.refuse(caller, ref)

        return await execute(request, act, answer, instead)


def _made(error: SimwardenError, instead: Instead) -> Answer | SimwardenError:
    """What is answered to an error: by the nearest of its classes that is named, else the error itself."""
    for kind in type(error).__mro__:
        if kind in instead:
            return instead[kind](error)
    return error


def _kept(made: Answer | SimwardenError) -> StoredResponse:
    answer = refusal(made) if isinstance(made, SimwardenError) else made
    headers = tuple((name.decode("ascii"), value.decode("ascii")) for name, value in answer.headers)
    return StoredResponse(answer.status, b"" if answer.body is None else _encoder.encode(answer.body), headers)
