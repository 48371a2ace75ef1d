"""An error carries its status and code: what customers, operators, bulk operations and kept answers make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.unit.northbound.asgi import call

from simwarden.domain.errors import (
    UNKNOWN,
    AccountNotFound,
    AlreadyInState,
    IllegalTransition,
    InvalidBinding,
    InvalidIdentifier,
    KeyReused,
    NoDeviceSeen,
    NotBound,
    NothingToChange,
    ReadOnly,
    ResourceNotFound,
    SecretOfInbox,
    SimExists,
    SimNotFound,
    SimwardenError,
    StoreUnavailable,
    SubscriptionNotFound,
    TooManyApns,
    TooManyOperations,
    TooManySubscriptions,
    status_of,
)
from simwarden.domain.numbering import InvalidRange, OutsideRanges, RangeNotFound, RangeTaken
from simwarden.domain.sink import InvalidSink
from simwarden.edge.bodies import BodiesExhausted, BodyTooLong, BodyTooSlow, Limits, TooManyBodies
from simwarden.engine.bulk_jobs import NotReady, OperationNotFound, PreviewChanged
from simwarden.engine.commands.catalogue import refusal_of
from simwarden.engine.gateways import LocksStand
from simwarden.engine.idempotency import CallKey, IdempotentRequest, StoredResponse
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.edge import Edge
from simwarden.northbound.kernel.errors import QuotaExceeded
from simwarden.northbound.kernel.keys import RequestKey
from simwarden.northbound.kernel.writing import execute
from simwarden.notify.inbox import InboxNotFound, NotItsTurn
from simwarden.store.alarms import AlarmNotFound
from simwarden.store.care import UnfitSubscription
from simwarden.store.delivery_history import DeliveryNotFound
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

    from simwarden.domain.sim import OneSim

GONE = "The specified resource is not found."
DEVICE = "Device identifier not found."
LATER = "Service Unavailable. Try again in a moment."
STANDBY = "This is a standby: it answers what only reads. Nothing was changed."
SINK = "The sink field must be an accessible client address in order to notify the other end when an event occurs"
OWN = "In its own words"

ANSWERS = [
    (InvalidIdentifier(OWN), 400, "INVALID_ARGUMENT", OWN, OWN),
    (InvalidRange(OWN), 400, "INVALID_ARGUMENT", OWN, OWN),
    (InvalidSink(OWN), 400, "INVALID_SINK", f"{SINK} ({OWN})", OWN),
    (InvalidSink(), 400, "INVALID_SINK", SINK, str(InvalidSink.__doc__)),
    (BodyTooLong(9), 400, "INVALID_ARGUMENT", "The request body must not exceed 9 bytes", None),
    (BodyTooSlow(Limits()), 400, "INVALID_ARGUMENT", BodyTooSlow(Limits()).message, None),
    (SimNotFound(OWN), 404, "IDENTIFIER_NOT_FOUND", DEVICE, OWN),
    (AccountNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (AlarmNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (DeliveryNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (InboxNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (OperationNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (RangeNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (SubscriptionNotFound(OWN), 404, "NOT_FOUND", GONE, OWN),
    (ResourceNotFound(), 404, "NOT_FOUND", GONE, GONE),
    (PreviewChanged(OWN), 409, "ABORTED", OWN, OWN),
    (SimExists(OWN), 409, "ALREADY_EXISTS", OWN, OWN),
    (RangeTaken(OWN), 409, "ALREADY_EXISTS", OWN, OWN),
    (InvalidBinding(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (IllegalTransition(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (LocksStand(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (NoDeviceSeen(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (NotItsTurn(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (NotReady(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (SecretOfInbox(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (TooManyApns(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (UnfitSubscription(OWN), 409, "INCOMPATIBLE_STATE", OWN, OWN),
    (KeyReused(), 422, "IDEMPOTENCY_KEY_REUSED", str(KeyReused.__doc__), None),
    (OutsideRanges(OWN), 422, "SERVICE_NOT_APPLICABLE", OWN, OWN),
    (TooManyOperations(OWN, 7), 429, "TOO_MANY_REQUESTS", OWN, OWN),
    (TooManyBodies(Limits()), 429, "TOO_MANY_REQUESTS", TooManyBodies(Limits()).message, None),
    (TooManySubscriptions(OWN), 429, "QUOTA_EXCEEDED", OWN, OWN),
    (StoreUnavailable("host 10.0.0.7 does not answer"), 503, "UNAVAILABLE", LATER, LATER),
    (ReadOnly(), 503, "UNAVAILABLE", STANDBY, STANDBY),
    (BodiesExhausted(), 503, "UNAVAILABLE", BodiesExhausted().message, None),
    (WrongKey("the key in /etc"), 500, "INTERNAL", UNKNOWN, UNKNOWN),
    (SimwardenError("a detail"), 500, "INTERNAL", UNKNOWN, UNKNOWN),
    (ZeroDivisionError("a detail"), 500, "INTERNAL", UNKNOWN, UNKNOWN),
]
"""Error, status and code; what customers are told, what operators are (None: the same)."""


SCOPES = frozenset({"things:do"})


class Caller(msgspec.Struct, frozen=True):
    """Who calls; it knows her token too."""

    app_key: str = "swk_meters"
    account_id: str = "acc_meters"
    scopes: frozenset[str] = SCOPES
    device: str | None = None
    sandbox: bool = False
    daily_quota: int | None = None
    granted: frozenset[str] = SCOPES
    only: OneSim | None = None

    async def check(self, token: str) -> Caller | None:
        """TokenCheck."""
        return self if token == "good" else None


class UsedUp(SimwardenError):
    """The SIM has used too much this month."""

    status, code = 403, "TEST_TOO_MUCH"


async def answer_to(error: Exception, *, for_operators: bool = False) -> Reply:
    """The answer of an API whose only operation raises `error`."""

    async def handle(_request: Request) -> Answer:
        raise error

    endpoint = Endpoint("doThing", handle, has_body=False)
    api = Api(
        "things",
        {"/v1/do": {"POST": endpoint}},
        {"doThing": SCOPES},
        Edge(tokens=Caller()),
        for_operators=for_operators,
    )
    return await call(api, "POST", "/v1/do", headers=[("authorization", "Bearer good")])


async def kept_of(error: SimwardenError) -> StoredResponse:
    """What is kept under the Idempotency-Key of a call that is refused with `error`."""
    kept: list[StoredResponse] = []

    async def act(once: IdempotentRequest | None) -> None:
        assert once is not None
        kept.append(once.keep(error))

    call_named = RequestKey(CallKey("swk_meters", "k"), b"digest")
    await execute(Request(Caller(), "c", b"", "", call=call_named), act, lambda _: Answer(204))
    return kept[0]


@pytest.mark.parametrize(("error", "status", "code", "public", "own"), ANSWERS)
async def test_every_error_is_answered_with_its_status_and_code(
    error: Exception, status: int, code: str, public: str, own: str | None
) -> None:
    told = {"status": status, "code": code, "message": public}
    assert (await answer_to(error)).json == told
    assert (await answer_to(error, for_operators=True)).json == {**told, "message": own or public}
    assert status_of(code) == status
    if isinstance(error, SimwardenError):
        kept = await kept_of(error)
        assert (kept.status, msgspec.json.decode(kept.body)) == (status, told)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TooManyOperations(OWN, 7), "7"),
        (TooManySubscriptions(OWN), None),
        (QuotaExceeded(3), "3"),
        (TooManyBodies(Limits()), "1"),
        (BodiesExhausted(), "1"),
        (StoreUnavailable(), "1"),
        (ReadOnly(), "10"),
    ],
)
async def test_what_may_be_tried_again_says_when(error: SimwardenError, seconds: str | None) -> None:
    assert (await answer_to(error)).headers.get("retry-after") == seconds


async def test_a_new_error_is_one_class_and_nothing_else() -> None:
    told = {"status": 403, "code": "TEST_TOO_MUCH", "message": "The SIM has used too much this month."}
    assert (await answer_to(UsedUp())).json == told
    assert (await answer_to(UsedUp(), for_operators=True)).json == told
    assert msgspec.json.decode((await kept_of(UsedUp())).body) == told
    assert refusal_of(UsedUp()) == ("REFUSED", "TEST_TOO_MUCH", told["message"])
    assert status_of("TEST_TOO_MUCH") == 403


def test_a_code_has_one_status() -> None:
    with pytest.raises(TypeError, match="ALREADY_EXISTS has the status 409, not 400"):
        type("Odd", (SimwardenError,), {"status": 400, "code": "ALREADY_EXISTS"})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NothingToChange(OWN), ("UNCHANGED", "UNNECESSARY", OWN)),
        (NotBound(OWN), ("UNCHANGED", "UNNECESSARY", OWN)),
        (AlreadyInState(OWN), ("UNCHANGED", "INCOMPATIBLE_STATE", OWN)),
        (IllegalTransition(OWN), ("REFUSED", "INCOMPATIBLE_STATE", OWN)),
        (SimNotFound(OWN), ("REFUSED", "IDENTIFIER_NOT_FOUND", DEVICE)),
        (SimExists(OWN), ("REFUSED", "ALREADY_EXISTS", OWN)),
        (InvalidIdentifier(OWN), ("REFUSED", "INVALID_ARGUMENT", OWN)),
        (InvalidBinding(OWN), ("REFUSED", "INCOMPATIBLE_STATE", OWN)),
        (NoDeviceSeen(OWN), ("REFUSED", "INCOMPATIBLE_STATE", OWN)),
        (OutsideRanges(OWN), ("REFUSED", "SERVICE_NOT_APPLICABLE", OWN)),
        (TooManyApns(OWN), ("REFUSED", "INCOMPATIBLE_STATE", OWN)),
        (SimwardenError("a detail"), ("REFUSED", "INTERNAL", UNKNOWN)),
    ],
)
def test_an_item_of_a_bulk_operation_has_the_same_code(error: SimwardenError, said: tuple[str, str, str]) -> None:
    assert refusal_of(error) == said


@pytest.mark.parametrize(
    ("code", "status"), [("UNNECESSARY", 422), ("ABORTED", 409), ("UNSUPPORTED_IDENTIFIER", 422), ("NO_SUCH_CODE", 500)]
)
def test_a_code_that_was_stored_has_the_status_of_its_error(code: str, status: int) -> None:
    assert status_of(code) == status
