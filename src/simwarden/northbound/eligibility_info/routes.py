"""eligibility-check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.json import Decoder

from simwarden.accounts.scopes import KNOWN, of_operations
from simwarden.domain import payments
from simwarden.domain.eligibility import ContextCode, Obstacle, obstacle
from simwarden.engine.payments import PaymentRecord, judged
from simwarden.northbound.eligibility_info import schemas
from simwarden.northbound.eligibility_info.sources import MISSING, NEEDS, NUMBER_HISTORY, SOURCES
from simwarden.northbound.eligibility_info.step import HEADER, HeldAgainstResponse
from simwarden.northbound.kernel.api import Answer, Api, Endpoint, Request
from simwarden.northbound.kernel.bodies import decode
from simwarden.northbound.kernel.errors import PermissionDenied
from simwarden.northbound.kernel.numbers import Assignments, Callers, NumberHistory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.domain.numbers import Assignment
    from simwarden.domain.sim import Sim
    from simwarden.northbound.eligibility_info.step import EligibilityResponses
    from simwarden.northbound.kernel.services import Services

NAME = "eligibility-info"
_UNKNOWN = Obstacle(ContextCode.SUBSCRIBER_NOT_SUPPORTED, "There is no service with this scope here")
_NOT_GRANTED = Obstacle(ContextCode.SUBSCRIBER_NOT_SUPPORTED, "The application does not have this scope")
_MISSING = {needs: Obstacle(ContextCode.SUBSCRIBER_NOT_SUPPORTED, message) for needs, message in MISSING.items()}


class EligibilityInfo:
    """The one operation."""

    def __init__(self, services: Services, responses: EligibilityResponses) -> None:
        self._services = services
        history = services.sims
        self._callers = Callers(services)
        self._assignments = Assignments(services, history) if isinstance(history, NumberHistory) else None
        self._accounts = services.accounts
        self._responses = responses
        self._sources = {name: make(services) for name, make in SOURCES.items()}
        self._request = Decoder(schemas.EligibilityRequest)

    async def check(self, request: Request) -> Answer:
        """For which scopes a phone number's SIM is eligible (checkEligibility)."""
        caller = request.caller
        if caller.device is not None:
            raise PermissionDenied("A 2-legged access token is needed: the request names the phone number")
        wanted = decode(self._request, request.body, schemas.WORDING)
        number = wanted.phone_number
        scopes = dict.fromkeys(wanted.scopes)
        needs = {NEEDS.get(scope) for scope in scopes if scope in caller.granted}
        sim, assignment = await self._find(request, number, history=NUMBER_HISTORY in needs)
        found = await self._obstacles(sim, assignment, scopes, caller.granted)
        eligible = [scope for scope, against in found.items() if against is None]
        kept = await self._responses.keep(caller.app_key, sim, number, eligible)
        items = [schemas.item(scope, wanted.purpose, against) for scope, against in found.items()]
        return Answer(200, schemas.EligibilityAnswer(kept.id, items, kept.expires_at, kept.ttl))

    async def _find(self, request: Request, number: str, *, history: bool) -> tuple[Sim, Assignment | None]:
        """The SIM; with `history` also since when it has had the number. Raises SimNotFound."""
        if history and self._assignments is not None:
            return await self._assignments.find(request, number)
        return await self._callers.sim(request, number), None

    async def _obstacles(
        self, sim: Sim, assignment: Assignment | None, scopes: Iterable[str], held: frozenset[str]
    ) -> dict[str, Obstacle | None]:
        """What stands against each scope: that it is not known or not granted, then the SIM, then what is not known."""
        found: dict[str, Obstacle | None] = {}
        known: dict[str, bool] = {}
        whole = obstacle(sim)
        for scope in scopes:
            needs = NEEDS.get(scope)
            if scope == payments.SCOPE:
                found[scope] = await self._payment(sim)
            elif scope not in KNOWN:
                found[scope] = _UNKNOWN
            elif scope not in held:
                found[scope] = _NOT_GRANTED
            elif whole is not None or needs is None:
                found[scope] = whole
            else:
                if needs not in known:
                    known[needs] = await self._sources[needs](sim, assignment)
                found[scope] = None if known[needs] else _MISSING[needs]
        return found

    async def _payment(self, sim: Sim) -> Obstacle | None:
        """By the rules of the account: payments are the operator's, and no scope of this server."""
        rules = (await self._accounts.settings(sim.account_id)).payments
        record = self._services.sims
        if rules is None or not isinstance(record, PaymentRecord):
            return _UNKNOWN
        return payments.first_obstacle(await judged(record, sim, rules, self._services.edge.clock()))


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/eligibility-info`; None where no answers are kept."""
    responses = services.own.get(NAME)
    if responses is None:
        return None
    served = EligibilityInfo(services, responses)
    endpoint = Endpoint("checkEligibility", served.check, has_body=True, reads=True)
    return Api(
        NAME,
        {"/v0.1/eligibility-check": {"POST": endpoint}},
        of_operations(__package__),
        services.edge,
        steps={HEADER: HeldAgainstResponse(responses)},
    )
