"""What an operator agrees with an application's owner: keys, ways to a token, purposes, redirect URIs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from yarl import URL

from simwarden.accounts import jwks, purposes
from simwarden.accounts.server import AGREED_GRANTS
from simwarden.domain.errors import InvalidValue, ResourceNotFound
from simwarden.domain.sink import InvalidSink, parse_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simwarden.store.clients import ClientProfile, Clients, StoredClient

MOST_REDIRECTS = 20
_URI = re.compile(r"[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a~]{1,2048}")
"""Visible ASCII without what has no place in a URI (RFC 3986) and could end an attribute of a page."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class InvalidRedirect(InvalidValue):
    """A redirect URI is https (http for this machine only), absolute, without user name and fragment."""


class InvalidAgreement(InvalidValue):
    """This cannot be agreed."""


class KeyNotFound(ResourceNotFound):
    """The application has no key of this name."""


def redirect_uri(text: str) -> str:
    """A redirect URI, as it is: it is compared to the letter. Raises InvalidRedirect."""
    if not _URI.fullmatch(text) or "#" in text:
        raise InvalidRedirect
    try:
        url = URL(text, encoded=True)
        port = url.explicit_port
    except ValueError as error:
        raise InvalidRedirect from error
    if not url.raw_host or "@" in url.raw_authority or port == 0:
        raise InvalidRedirect
    if url.scheme != "https" and not (url.scheme == "http" and url.raw_host in _LOOPBACK):
        raise InvalidRedirect
    return text


async def change(
    clients: Clients,
    app_key: str,
    *,
    grants: Sequence[str] | UnsetType = UNSET,
    purposes_: Sequence[str] | UnsetType = UNSET,
    redirect_uris: Sequence[str] | UnsetType = UNSET,
    keys_url: str | UnsetType | None = UNSET,
    keys_only: bool | UnsetType = UNSET,
    asks_user: bool | UnsetType = UNSET,
    outside_id: str | UnsetType | None = UNSET,
    allow_private: bool = False,
) -> StoredClient:
    """Change what is given; what is UNSET stays. Raises InvalidValue, AlreadyExists, StoreUnavailable."""

    def new(before: ClientProfile) -> ClientProfile:
        changes: dict[str, Any] = {"keys_only": keys_only, "asks_user": asks_user, "outside_id": outside_id}
        if grants is not UNSET:
            unknown = sorted(set(grants) - AGREED_GRANTS.keys())
            if unknown:
                known = ", ".join(AGREED_GRANTS)
                raise InvalidAgreement(f"There is no grant {', '.join(unknown)}; the grants are: {known}")
            changes["grants"] = tuple(sorted(set(grants)))
        if purposes_ is not UNSET:
            changes["purposes"] = purposes.checked(tuple(purposes_))
        if redirect_uris is not UNSET:
            changes["redirect_uris"] = tuple(dict.fromkeys(map(redirect_uri, redirect_uris)))
            if len(changes["redirect_uris"]) > MOST_REDIRECTS:
                raise InvalidAgreement(f"An application has at most {MOST_REDIRECTS} redirect URIs")
        if keys_url is not UNSET:
            changes["keys_url"] = None if keys_url is None else _place(keys_url, allow_private=allow_private)
        return _consistent(replace(before, **{name: each for name, each in changes.items() if each is not UNSET}))

    return await clients.change(app_key, new)


async def add_key(clients: Clients, app_key: str, jwk: Any) -> StoredClient:
    """Add a public key; one without a kid is named by its thumbprint (RFC 7638).

    Raises InvalidValue, StoreUnavailable.
    """
    key = {"kid": jwks.parse(jwk).key.thumbprint(), **jwks.public_part(jwk)}

    def new(before: ClientProfile) -> ClientProfile:
        keys = (*(each for each in before.keys if each != key), key)
        jwks.of_client(keys)
        return _consistent(replace(before, keys=keys))

    return await clients.change(app_key, new)


async def remove_key(clients: Clients, app_key: str, kid: str) -> StoredClient:
    """Take a key away: what it signs is refused from now on. Raises KeyNotFound, InvalidValue, StoreUnavailable."""

    def new(before: ClientProfile) -> ClientProfile:
        keys = tuple(each for each in before.keys if each.get("kid") != kid)
        if keys == before.keys:
            raise KeyNotFound
        return _consistent(replace(before, keys=keys))

    return await clients.change(app_key, new)


def _consistent(profile: ClientProfile) -> ClientProfile:
    """The profile, if its parts go together. Raises InvalidAgreement."""
    rules: list[tuple[Callable[[ClientProfile], bool], str]] = [
        (lambda p: bool(p.keys and p.keys_url), "An application has keys, or a place where its keys are: not both"),
        (lambda p: p.keys_only and not (p.keys or p.keys_url), "Without keys an application needs its secret"),
    ]
    for is_wrong, text in rules:
        if is_wrong(profile):
            raise InvalidAgreement(text)
    return profile


def _place(url: str, *, allow_private: bool) -> str:
    try:
        parse_sink(url, allow_private=allow_private)
    except InvalidSink as error:
        raise InvalidAgreement("Keys are at an https address that can be reached from the internet") from error
    return url
