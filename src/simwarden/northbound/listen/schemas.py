"""Requests and answers of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording

if TYPE_CHECKING:
    from simwarden.notify.inbox import OpenedInbox, Taken
    from simwarden.notify.retry import RetryDecision

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
EventId = Annotated[str, Meta(pattern=r"^[0-9a-f]{34}-[0-9]{1,9}\Z")]
Status = Annotated[int, Meta(ge=100, le=599)]
Milliseconds = Annotated[int, Meta(ge=0, le=3_600_000)]
Error = Annotated[str, Meta(max_length=500)]
AnswerText = Annotated[str, Meta(max_length=4096)]


class OpenInboxRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """OpenInboxRequest."""

    name: Name = "default"


class InboxAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Inbox."""

    id: str
    name: str
    sink: str
    secret: str
    created_at: datetime


class WaitingEvent(msgspec.Struct, frozen=True, rename="camel"):
    """WaitingEvent."""

    event_id: str
    type: str
    subscription_id: str
    attempt: int
    headers: dict[str, str]
    body: str


class Events(msgspec.Struct, frozen=True):
    """Events."""

    events: list[WaitingEvent]


class Acknowledgement(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Acknowledgement."""

    event_id: EventId
    status: Status | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    answer: AnswerText | UnsetType = UNSET
    duration_ms: Milliseconds = 0
    retry_after_seconds: Annotated[int, Meta(ge=0, le=86_400)] | UnsetType = UNSET


class DeliveryVerdict(msgspec.Struct, frozen=True, rename="camel"):
    """Verdict."""

    verdict: Literal["DELIVERED", "RETRY", "GIVEN_UP", "SUBSCRIPTION_ENDED"]
    retry_in_ms: int | UnsetType = UNSET


OPEN = Wording(invalid={})
ACKNOWLEDGE = Wording(missing={"eventId": "eventId must be specified"})


def opened(inbox: OpenedInbox) -> InboxAnswer:
    """An inbox as its owner sees it."""
    return InboxAnswer(inbox.id, inbox.name, inbox.sink, inbox.secret, inbox.created_at)


def events(taken: list[Taken]) -> Events:
    """What was taken; bodies are JSON, so text carries their bytes."""
    return Events(
        [
            WaitingEvent(one.event_id, one.type, one.subscription_id, one.attempt, one.headers, one.body.decode())
            for one in taken
        ]
    )


def verdict(decision: RetryDecision) -> DeliveryVerdict:
    """What follows."""
    if decision.when is not None:
        return DeliveryVerdict("RETRY", round(decision.when.total_seconds() * 1000))
    if decision.end_subscription is not None:
        return DeliveryVerdict("SUBSCRIPTION_ENDED")
    return DeliveryVerdict("GIVEN_UP" if decision.give_up else "DELIVERED")
