"""What is sent and answered about clients of the authorization server, and about consents."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

if TYPE_CHECKING:
    from simwarden.store.authorizations import BackchannelRequest
    from simwarden.store.clients import StoredClient
    from simwarden.store.consents import Consent

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Meta(max_length=100)]
Uri = Annotated[str, Meta(min_length=1, max_length=2048)]
Uris = Annotated[tuple[Uri, ...], Meta(max_length=20)]


class _Body(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class ChangeClient(_Body, frozen=True):
    """ChangeClient."""

    grants: Names | UnsetType = UNSET
    purposes: Names | UnsetType = UNSET
    redirect_uris: Uris | UnsetType = UNSET
    keys_url: Uri | UnsetType | None = UNSET
    keys_only: bool | UnsetType = UNSET
    asks_user: bool | UnsetType = UNSET
    outside_id: Name | UnsetType | None = UNSET


class AddClientKey(_Body, frozen=True):
    """AddClientKey."""

    key: dict[str, Any]


class IssueSigningSecret(_Body, frozen=True):
    """IssueSigningSecret."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 0


class SetConsent(_Body, frozen=True):
    """SetConsent."""

    application: Name
    purpose: Name
    granted: bool
    phone_number: Name | None = None
    scopes: Names = ()


class ClientView(msgspec.Struct, frozen=True, rename="camel"):
    """Client."""

    app_key: str
    grants: tuple[str, ...]
    purposes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    keys: tuple[dict[str, Any], ...]
    keys_url: str | None
    keys_only: bool
    asks_user: bool
    outside_id: str | None
    signs: bool


class ConsentView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Consent."""

    application: str
    purpose: str
    granted: bool
    decided_at: datetime
    decided_by: str
    phone_number: str | None = None
    scopes: tuple[str, ...] = ()


class WaitingView(msgspec.Struct, frozen=True, rename="camel"):
    """ConsentRequest."""

    application: str
    phone_number: str
    purpose: str
    scopes: tuple[str, ...]
    since: datetime
    expires_at: datetime


def client(app_key: str, found: StoredClient) -> ClientView:
    """What was agreed with an application."""
    agreed = found.profile
    return ClientView(
        app_key=app_key,
        grants=agreed.grants,
        purposes=agreed.purposes,
        redirect_uris=agreed.redirect_uris,
        keys=agreed.keys,
        keys_url=agreed.keys_url,
        keys_only=agreed.keys_only,
        asks_user=agreed.asks_user,
        outside_id=agreed.outside_id,
        signs=found.signs,
    )


def consent(found: Consent) -> ConsentView:
    """A decision."""
    return ConsentView(
        application=found.app_key,
        purpose=found.purpose,
        granted=found.granted,
        decided_at=found.decided_at,
        decided_by=found.decided_by,
        phone_number=found.msisdn or None,
        scopes=found.scopes,
    )


def waiting(found: BackchannelRequest) -> WaitingView:
    """A request that waits for one."""
    names = (found.app_key, found.msisdn, found.purpose, found.scopes)
    return WaitingView(*names, found.created_at, found.expires_at)
