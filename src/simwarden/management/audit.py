"""Writes down what operators do, in a list that cannot be changed without it showing."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from simwarden.domain.errors import SimwardenError
from simwarden.kit.clock import now_utc
from simwarden.management.callers import OperatorCaller
from simwarden.northbound.kernel.errors import PermissionDenied
from simwarden.store.audit import PURPOSE, Act, AuditTrail
from simwarden.store.coalesce import Coalescer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from simwarden.northbound.kernel.api import Answer, Request
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

    Handler = Callable[[Request], Awaitable[Answer]]

HIDDEN = frozenset(
    {
        "password",
        "csv",
        "text",
        "confirmToken",
        "currentPassword",
        "newPassword",
        "code",
        "recoveryCode",
        "setupCode",
        "loginId",
        "state",
        "appSecret",
        "signingSecret",
        "reportUrl",
    }
)
"""Properties that are not written down: secrets, what people write to each other, and lists of 200,000 lines."""
PERSONAL = frozenset({"email", "phoneNumber", "msisdn", "receiver", "latitude", "longitude", "ipv4", "ipv6"})
"""Properties of which the last three characters are written down."""
MAX_DETAIL = 4096
"""Bytes of a body that is written down."""
IN_ITS_HISTORY = frozenset({"actOnSim"})
"""Operations whose effect is committed with its cause in the SIM's own history: their answer does not wait here."""
_OF_NOBODY = frozenset({202, 401})
"""Answers to who did not log in that are written down: an attempt failed (their number is bounded), or lacks a code."""
_log = structlog.get_logger()


class Audit:
    """Every changing call of the management API becomes a row, the refused ones too."""

    def __init__(
        self, db: Database, vault: Vault, *, server: str = "", clock: Callable[[], datetime] = now_utc
    ) -> None:
        """`server`: the worker, as its chains name it."""
        self.sign = lambda value: vault.keyed_digest(value, PURPOSE)
        self._trail = AuditTrail(db, self.sign, server)
        self._clock = clock
        self._numbers = itertools.count()
        self._acts: dict[int, Act] = {}
        self._rows: Coalescer[int, bool] = Coalescer(self._write)
        self._behind: set[asyncio.Task[None]] = set()

    def watched(self, operation: str, handle: Handler, show: Handler | None = None) -> Handler:
        """`handle`, written down. A call that succeeded is answered when its row is committed, but for those whose
        effect stands in a SIM's history anyway. `show` shows what is changed, before it is."""

        async def handled(request: Request) -> Answer:
            status, code, changes = 500, None, None
            before = None if show is None else await _shown(show, request)
            try:
                answer = await handle(request)
                status = answer.status
                changes = None if before is None else changed(before, msgspec.to_builtins(answer.body))
            except SimwardenError as error:
                status, code = error.status, error.code
                raise
            finally:
                row = self._written(operation, request, status, code, changes)
            if operation not in IN_ITS_HISTORY:
                await row
            return answer

        return handled

    def refused(self, operation: str, request: Request) -> None:
        """A call that its caller may not make is written down behind its answer."""
        self._written(operation, request, PermissionDenied.status, PermissionDenied.code, None)

    def _written(
        self, operation: str, request: Request, status: int, code: str | None, changes: dict[str, Any] | None
    ) -> asyncio.Task[None]:
        row = asyncio.ensure_future(self._add(operation, request, status, code, changes))
        self._behind.add(row)
        row.add_done_callback(self._behind.discard)
        return row

    async def drain(self) -> None:
        """Wait until everything is written."""
        await asyncio.gather(*self._behind, return_exceptions=True)

    async def _add(
        self, operation: str, request: Request, status: int, code: str | None, changes: dict[str, Any] | None
    ) -> None:
        caller = request.caller
        if not caller.app_key and status not in _OF_NOBODY:
            return  # what anybody can send does not become a flood of rows
        name, role, session = (
            (caller.name, caller.role, caller.session) if isinstance(caller, OperatorCaller) else ("", None, None)
        )
        try:
            act = Act(
                self._clock(),
                app_key=caller.app_key,
                key_name=name or caller.app_key,
                operation=operation,
                target=request.parameter.replace("\x00", "")[:320],
                status=status,
                code=code,
                correlator=request.correlator,
                detail=_text(detail(request.body)),
                address=request.address,
                session=session,
                role=role,
                changes=_text(changes),
            )
            number = next(self._numbers)
            self._acts[number] = act
            await self._rows.get(number)
        except Exception as error:  # what was done stays done; the log says it in place of the list
            _log.error(
                "an act of an operator is not in the audit list", app_key=caller.app_key, operation=operation,
                target=request.parameter, status=status, correlator=request.correlator, reason=str(error),
            )  # fmt: skip

    async def _write(self, numbers: Sequence[int]) -> dict[int, bool]:
        await self._trail.add([self._acts.pop(number) for number in numbers])
        return dict.fromkeys(numbers, True)


def detail(body: bytes) -> dict[str, Any] | None:
    """What is written down of a body; None when it has nothing to tell."""
    try:
        found = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict):
        return None
    shown = {name: masked(name, value) for name, value in found.items()}
    if len(msgspec.json.encode(shown)) > MAX_DETAIL or b"\\u0000" in body:
        return {"properties": sorted(name[:64].replace("\x00", "") for name in shown)[:32]}
    return shown or None


def changed(before: dict[str, Any], after: Any) -> dict[str, Any] | None:
    """The properties that are not what they were, each with its value before and after; `after`: None when gone."""
    now = after if isinstance(after, dict) else {}
    found = {
        name: [masked(name, before.get(name)), masked(name, now.get(name))]
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }
    return found if found and len(msgspec.json.encode(found)) <= MAX_DETAIL else None


def masked(name: str, value: Any) -> Any:
    """A property's value without what is secret or personal."""
    if value is None:
        return None
    if name in HIDDEN:
        return "********"
    if name in PERSONAL:
        return f"********{str(value)[-3:]}" if isinstance(value, (str, int, float)) else "********"
    if isinstance(value, dict):
        return {each: masked(each, inner) for each, inner in value.items()}
    if isinstance(value, list):
        return [masked("", each) for each in value]
    return value


async def _shown(show: Handler, request: Request) -> dict[str, Any] | None:
    try:
        found = msgspec.to_builtins((await show(msgspec.structs.replace(request, query="", body=b""))).body)
    except SimwardenError:
        return None
    return found if isinstance(found, dict) else None


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
