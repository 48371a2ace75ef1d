"""Applications as clients of the authorization server, and consents."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec.json import Decoder

from simwarden.accounts import agreements, consent, purposes, request_signing
from simwarden.accounts.outside import LONGEST, NAME
from simwarden.accounts.scopes import checked
from simwarden.domain.errors import ApplicationNotFound, InvalidIdentifier, ResourceNotFound
from simwarden.domain.identifiers import parse_msisdn
from simwarden.management import client_forms as forms
from simwarden.management.accounts import NOT_KEPT
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import revocations
from simwarden.store.accounts import OPERATOR
from simwarden.store.authorizations import Authorizations
from simwarden.store.clients import Clients
from simwarden.store.consents import Consent, Consents

if TYPE_CHECKING:
    from simwarden.store.accounts import Application


class ConsentNotFound(ResourceNotFound):
    """Nobody has decided this."""


class ClientRoutes:
    """The operations under `/applications/{applicationId}/client`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._clients = Clients(house.db, house.vault)
        self._change = Decoder(forms.ChangeClient)
        self._add_key = Decoder(forms.AddClientKey)
        self._issue = Decoder(forms.IssueSigningSecret)

    async def show(self, request: Request) -> Answer:
        """getClient."""
        found = await self._tenants(request)
        return Answer(200, forms.client(found.app_key, await self._clients.get(found.app_key)))

    async def change(self, request: Request) -> Answer:
        """changeClient: what is not given stays."""
        wanted: forms.ChangeClient = read(self._change, request)
        found = await self._tenants(request)
        before = (await self._clients.get(found.app_key)).profile.outside_id
        changed = await agreements.change(
            self._clients,
            found.app_key,
            grants=wanted.grants,
            purposes_=wanted.purposes,
            redirect_uris=wanted.redirect_uris,
            keys_url=wanted.keys_url,
            keys_only=wanted.keys_only,
            asks_user=wanted.asks_user,
            outside_id=wanted.outside_id,
        )
        if before is not None and changed.profile.outside_id != before:
            now = self._house.clock()
            until = now + timedelta(seconds=LONGEST)
            await revocations.end_all(self._house.db, found.app_key, NAME, now, until)
        return Answer(200, forms.client(found.app_key, changed))

    async def add_key(self, request: Request) -> Answer:
        """addClientKey."""
        wanted: forms.AddClientKey = read(self._add_key, request)
        found = await self._tenants(request)
        return Answer(
            200, forms.client(found.app_key, await agreements.add_key(self._clients, found.app_key, wanted.key))
        )

    async def remove_key(self, request: Request) -> Answer:
        """removeClientKey."""
        kid = Query(request.query, ("kid",), "keys").text("kid", 1000)
        if kid is None:
            raise InvalidArgument("kid must be specified")
        found = await self._tenants(request)
        changed = await agreements.remove_key(self._clients, found.app_key, kid)
        return Answer(200, forms.client(found.app_key, changed))

    async def issue_secret(self, request: Request) -> Answer:
        """issueSigningSecret: shown this once. The one before is good for as long as was asked."""
        wanted: forms.IssueSigningSecret = read(self._issue, request)
        found = await self._tenants(request)
        secret, overlap = request_signing.new_secret(), timedelta(seconds=wanted.overlap_seconds)
        until = self._house.clock() + overlap if overlap else None
        await self._clients.set_signing_secret(found.app_key, secret.encode(), until)
        shown = msgspec.to_builtins(forms.client(found.app_key, await self._clients.get(found.app_key)))
        return Answer(200, {**shown, "signingSecret": secret}, [NOT_KEPT])

    async def remove_secret(self, request: Request) -> Answer:
        """removeSigningSecret: the application signs no requests any more."""
        found = await self._tenants(request)
        await self._clients.set_signing_secret(found.app_key, None, None)
        return Answer(204)

    async def _tenants(self, request: Request) -> Application:
        return await tenants(self._house, request.parameter)


class ConsentRoutes:
    """The operations under `/consents` and `/consent-requests`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._consents = Consents(house.db)
        self._set = Decoder(forms.SetConsent)

    async def page(self, request: Request) -> Answer:
        """listConsents, by application, purpose and SIM."""
        query = Query(request.query, ("account", "application", "sim"), "consents")
        number = query.text("sim")
        found = await self._consents.page(
            account_id=await self._house.account_id(query.text("account")),
            app_key=await self._house.app_key(query.text("application")),
            msisdn=None if number is None else _number(number),
            after=query.cursor(tuple[Text, Text, Text]) or ("", "", ""),
            limit=query.limit + 1,
        )
        shown = found[: query.limit]
        answer: dict[str, object] = {"consents": [forms.consent(each) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next((shown[-1].app_key, shown[-1].purpose, shown[-1].msisdn))
        return Answer(200, answer)

    async def set(self, request: Request) -> Answer:
        """setConsent: a decision of the account that owns the SIM. One that grants less ends tokens."""
        wanted: forms.SetConsent = read(self._set, request)
        found = await tenants(self._house, await self._house.app_key(wanted.application) or "")
        (purpose,) = purposes.checked((wanted.purpose,))
        scopes = checked(wanted.scopes)
        if set(scopes) - set(found.scopes):
            raise consent.NoScopes
        number = consent.ALL if wanted.phone_number is None else _number(wanted.phone_number)
        decision = Consent(found.app_key, purpose, number, wanted.granted, scopes, self._house.clock(), "operator")
        await consent.decide(self._house.db, decision)
        return Answer(200, forms.consent(decision))

    async def withdraw(self, request: Request) -> Answer:
        """withdrawConsent: the question is open again, and the tokens that rest on the decision end."""
        query = Query(request.query, ("application", "purpose", "sim"), "consents")
        application, purpose = query.text("application"), query.text("purpose")
        if application is None or purpose is None:
            raise InvalidArgument("application and purpose must be specified")
        found = await tenants(self._house, await self._house.app_key(application) or "")
        number = query.text("sim")
        msisdn = consent.ALL if number is None else _number(number)
        db, now = self._house.db, self._house.clock()
        if not await consent.withdraw(db, found.app_key, purpose, msisdn, now):
            raise ConsentNotFound
        return Answer(204)

    async def waiting(self, request: Request) -> Answer:
        """listConsentRequests: the oldest first."""
        query = Query(request.query, ("application",), "consent-requests")
        named = query.text("application")
        if named is None:
            raise InvalidArgument("application must be specified")
        found = await tenants(self._house, await self._house.app_key(named) or "")
        waiting = await Authorizations(self._house.db).waiting(found.app_key, self._house.clock(), query.limit)
        return Answer(200, {"requests": [forms.waiting(each) for each in waiting]})


async def tenants(house: House, app_key: str) -> Application:
    """A tenant's application. Raises ApplicationNotFound."""
    found = await house.accounts.application(app_key.replace("\x00", ""))
    if found.account_id == OPERATOR:
        raise ApplicationNotFound("No application has this APPKEY")
    return found


def _number(text: str) -> str:
    try:
        return parse_msisdn(text)
    except InvalidIdentifier as error:
        raise InvalidArgument("Invalid format: phoneNumber") from error
