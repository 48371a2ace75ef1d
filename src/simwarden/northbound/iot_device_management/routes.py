"""add, activate, suspend, restore, deactivate, delete; retrieve-status; operations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.json import Decoder

from simwarden.accounts.scopes import of_operations
from simwarden.domain.errors import InvalidIdentifier, SimExists, SimwardenError, status_of
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of, parse_imei, parse_nai
from simwarden.domain.numbering import OutsideRanges
from simwarden.domain.rules import lifecycle as rules
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine.bulk_jobs import Named
from simwarden.engine.commands.catalogue import Add
from simwarden.northbound.iot_device_management import schemas
from simwarden.northbound.iot_device_management.schemas import NewDevice
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.devices import as_written
from simwarden.northbound.kernel.errors import (
    CamaraError,
    ErrorInfo,
    InvalidArgument,
    MissingIdentifier,
    UnnecessaryIdentifier,
    UnsupportedIdentifier,
    info,
)
from simwarden.northbound.kernel.writing import execute
from simwarden.store.operations import NewItem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from datetime import datetime

    from simwarden.domain.events import Event
    from simwarden.domain.sim import Sim
    from simwarden.engine import bulk_jobs as engine
    from simwarden.engine.bulk_jobs import BulkJobs, Listed
    from simwarden.northbound.iot_device_management.schemas import IotDevice
    from simwarden.northbound.kernel.api import Handler
    from simwarden.northbound.kernel.devices import Devices
    from simwarden.northbound.kernel.ports import TokenHolder
    from simwarden.northbound.kernel.services import Services
    from simwarden.store.operations import Item

T = TypeVar("T")
NAME = "iot-device-management"
VERSION = "vwip"
LONG_BODY = 16 * 1024
"""Bytes of a request; reading the devices in a longer one is work that others wait for."""
READ = 100
"""Devices of a request that are looked at before others get their turn."""


@runtime_checkable
class LifecycleReader(Protocol):
    """Knows the states that a SIM has gone through."""

    async def life(self, sim: Sim, *, limit: int = 200) -> list[Event]:
        """SIM_ADDED and LIFECYCLE_CHANGED, oldest first."""


class Cancelled(CamaraError):
    """The operation was cancelled before this device's turn."""

    status, code = 409, "ABORTED"


class DeviceManagement:
    """The operations of the document."""

    def __init__(
        self,
        devices: Devices,
        lives: LifecycleReader,
        operations: BulkJobs,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._devices = devices
        self._lives = lives
        self._operations = operations
        self._clock = clock
        self._add = Decoder(schemas.AddRequest)
        self._step = Decoder(schemas.DevicesRequest)
        self._status = Decoder(schemas.LifecycleRequest)

    async def add(self, request: Request) -> Answer:
        """Register SIMs (addDevices). What lies outside the account's number ranges is refused alike, whether it is
        anybody's or nobody's: the register is not asked."""
        self._refuse_at_once(request)
        wanted = decode(self._add, request.body, schemas.WORDING)
        items = [item async for item in _in_turns(_new(n, device) for n, device in enumerate(wanted.devices))]
        if len(items) == 1:
            names = _names(items[0].data or {})
            if await self._operations.outside(request.caller.account_id, names):
                raise OutsideRanges
            if await self._operations.taken(names):
                raise SimExists("A SIM with one of these identifiers exists already")
        return await self._begin(request, Add(), items)

    def step(self, step: Step) -> Handler:
        """The operation that takes this step with SIMs."""

        async def take(request: Request) -> Answer:
            self._refuse_at_once(request)
            wanted = decode(self._step, request.body, schemas.WORDING)
            named = await self._named(request.caller, wanted.devices)
            if len(named) == 1:
                await self._can(request.caller, named[0], step)
            return await self._begin(request, Transition(step), named)

        return take

    async def status(self, request: Request) -> Answer:
        """The state of a SIM and those before (retrieveStatus)."""
        wanted = decode(self._status, request.body, schemas.WORDING)
        if request.caller.device is None and wanted.device is UNSET:
            raise MissingIdentifier
        [named] = await self._named(request.caller, UNSET if wanted.device is UNSET else (wanted.device,))
        sim = await self._found(request.caller, named)
        events = await self._lives.life(sim)
        history = [schemas.StateChange(str(rules.state_of(event)), event.at) for event in events]
        since = history[-1].since if history else sim.lifecycle_since
        assert since is not None
        return Answer(200, schemas.LifecycleResponse(str(sim.lifecycle), since, history[::-1]))

    async def operation(self, request: Request) -> Answer:
        """How far one of one's own operations has come (retrieveOperation)."""
        found = await self._operations.get(request.parameter, app_key=request.caller.app_key)
        ended = found.state in ("COMPLETED", "CANCELLED")
        results = [_result(item) for item in await self._operations.items(found.id)] if ended else UNSET
        return Answer(200, _told(found, results))

    async def _begin(self, request: Request, action: Add | Transition, items: Sequence[Listed]) -> Answer:
        caller = request.caller
        now = self._clock()
        cause = Cause(CauseKind.CALL, caller.app_key, now, message=action.summary, reference=request.correlator)

        def answered(outcome: engine.Operation) -> Answer:
            location = f"/{NAME}/{VERSION}/operations/{outcome.id}".encode()
            return Answer(
                202, _told(outcome, UNSET), [(b"location", location)], idle=True
            )  # devices are counted when done

        return await execute(
            request,
            lambda once: self._operations.begin(
                action,
                items,
                cause,
                app_key=caller.app_key,
                account_id=caller.account_id,
                preview=False,
                once=once,
                usage=request.usage,
            ),
            answered,
        )

    def _refuse_at_once(self, request: Request) -> None:
        if len(request.body) > LONG_BODY:
            self._operations.refuse_at_once(request.caller.app_key)

    async def _named(self, caller: TokenHolder, devices: Sequence[IotDevice] | UnsetType) -> list[Named]:
        if caller.device is not None:
            if devices is not UNSET:
                raise UnnecessaryIdentifier
            return [Named(0, None, self._devices.covered(caller, SimRef(IdentifierKind.MSISDN, caller.device)))]
        if devices is UNSET:
            raise MissingIdentifier
        return [named async for named in _in_turns(self._name(n, caller, each) for n, each in enumerate(devices))]

    def _name(self, n: int, caller: TokenHolder, device: IotDevice) -> Named:
        given = as_written(device)
        if device.imsi is not UNSET:
            return Named(n, given, self._devices.covered(caller, SimRef(IdentifierKind.IMSI, device.imsi)))
        if device.iccid is not UNSET:
            return Named(n, given, self._devices.covered(caller, SimRef(IdentifierKind.ICCID, device.iccid)))
        try:
            return Named(n, given, self._devices.name(caller, device))
        except UnsupportedIdentifier as error:
            return Named(n, given, None, wrong=error)

    async def _found(self, caller: TokenHolder, named: Named) -> Sim:
        if named.ref is None:
            raise UnsupportedIdentifier
        return await self._devices.find(caller, named.ref)

    async def _can(self, caller: TokenHolder, named: Named, step: Step) -> None:
        """What can be known at once is answered at once. Raises SimNotFound, IllegalTransition."""
        sim = await self._found(caller, named)
        now = self._clock()
        rules.transition(sim, Transition(step), now, Cause(CauseKind.CALL, caller.app_key, now))


async def _in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The items; others get their turn in between."""
    for n, item in enumerate(items, 1):
        yield item
        if n % READ == 0:
            await asyncio.sleep(0)


def _told(found: engine.Operation, results: list[schemas.Result] | UnsetType) -> schemas.OperationResponse:
    ended = found.state in ("COMPLETED", "CANCELLED")
    return schemas.OperationResponse(
        operation_id=found.id,
        operation=found.verb,
        status="ACCEPTED" if not ended else "COMPLETED" if found.state == "COMPLETED" else "CANCELLED",
        created_at=found.created_at,
        progress=schemas.Progress(found.items, found.done, found.unchanged + found.refused, found.left),
        completed_at=found.finished_at or UNSET,
        results=results,
    )


def _result(item: Item) -> schemas.Result:
    device = UNSET if item.given is None else item.given
    if item.status == "DONE":
        return schemas.Result("SUCCEEDED", device)
    if item.status == "REQUESTED":
        return schemas.Result("FAILED", device, info(Cancelled()))
    code = item.code or SimwardenError.code
    return schemas.Result("FAILED", device, ErrorInfo(status_of(code), code, item.reason or ""))


def _new(n: int, device: NewDevice) -> NewItem:
    """A SIM to be added. Raises InvalidArgument."""
    data = {"imsi": device.imsi, "lifecycle": device.state}
    try:
        if device.iccid is not UNSET:
            data["iccid"] = device.iccid
        if device.phone_number is not UNSET:
            data["msisdn"] = device.phone_number
        if device.network_access_identifier is not UNSET:
            data["nai"] = parse_nai(device.network_access_identifier)
        if device.imei is not UNSET:
            parse_imei(device.imei)
            data["imei"] = device.imei
    except InvalidIdentifier as error:
        raise InvalidArgument(error.message) from error
    return NewItem(n, msgspec.to_builtins(device), bucket_of(device.imsi), device.imsi, data)


def _names(data: dict[str, str]) -> list[tuple[str, str]]:
    return [(kind, data[kind]) for kind in ("imsi", "iccid", "msisdn", "nai") if kind in data]


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/iot-device-management`; None where nothing is done in the background."""
    if services.operations is None or not isinstance(services.sims, LifecycleReader):
        return None
    served = DeviceManagement(services.devices, services.sims, services.operations, clock=services.edge.clock)
    posts: dict[str, tuple[str, Handler]] = {"add": ("addDevices", served.add)}
    posts |= {str(step): (f"{step}Devices", served.step(step)) for step in Step}
    posts["retrieve-status"] = ("retrieveStatus", served.status)
    table = {
        f"/{VERSION}/{path}": {
            "POST": Endpoint(
                name,
                handle,
                has_body=True,
                max_body=schemas.MAX_BODY,
                once=path != "retrieve-status",
                reads=path == "retrieve-status",
                about_sim=path != "add",
            )
        }
        for path, (name, handle) in posts.items()
    }
    table[f"/{VERSION}/operations/{{}}"] = {
        "GET": Endpoint("retrieveOperation", served.operation, has_body=False, about_sim=False)
    }
    return Api(NAME, table, of_operations(__package__), services.edge)
