"""What the handlers share: the parts of the house that they use, and how they read a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simwarden.accounts.logins import Logins
from simwarden.billing.bills import Billing
from simwarden.billing.invoices import Invoicing
from simwarden.domain import rules
from simwarden.domain.errors import AccountNotFound, ApplicationNotFound, InvalidIdentifier, SimNotFound
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.intake import Intake
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import areas
from simwarden.engine.areas import NamedAreas
from simwarden.engine.commands import catalogue
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.risk_rules import RiskRules
from simwarden.kit.clock import now_utc
from simwarden.management.audit import Audit
from simwarden.management.callers import Grants
from simwarden.management.reach import AccountNeeded, reach, reaches, seller
from simwarden.management.roles import is_admin
from simwarden.northbound.kernel.bodies import Wording, decode
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store.people import People

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from msgspec.json import Decoder

    from simwarden.accounts.keys import SigningKeys
    from simwarden.accounts.openid import OpenIdLogin
    from simwarden.domain.command import Command
    from simwarden.domain.decision import Decision
    from simwarden.domain.sim import Sim
    from simwarden.engine.bulk_jobs import BulkJobs
    from simwarden.engine.commands.batcher import CommandBatcher
    from simwarden.engine.ports import ElementRules
    from simwarden.engine.sending import Sending
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.management.schemas import ActionBody
    from simwarden.management.simulator import Simulator
    from simwarden.northbound.kernel.api import Request
    from simwarden.store.accounts import Account, Accounts
    from simwarden.store.database import Database
    from simwarden.store.deliveries import ClaimedQueue
    from simwarden.store.gateways import Gateways
    from simwarden.store.sims import Sims
    from simwarden.store.vault import Vault

_AS_SAID = Wording()
_AS_WRITTEN = Intake()
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The character U+0000 as JSON writes it; not a backslash followed by these letters."""


class House:
    """The parts that the handlers use."""

    def __init__(
        self,
        db: Database,
        *,
        accounts: Accounts,
        sims: Sims,
        gateways: Gateways,
        kinds: Mapping[str, ElementRules],
        operations: BulkJobs,
        commands: CommandBatcher,
        sending: Sending,
        base_url: str,
        vault: Vault,
        keys: SigningKeys,
        preview: Callable[[ClaimedQueue, datetime], object],
        committed: Callable[[Outcome], None] = lambda _outcome: None,
        intake: Intake = _AS_WRITTEN,
        clock: Callable[[], datetime] = now_utc,
        areas: NamedAreas | None = None,
        rules: RiskRules | None = None,
        server: str = "",
        audit_days: float = 365,
        logins: Logins | None = None,
        openid: OpenIdLogin | None = None,
        simulator: Simulator | None = None,
    ) -> None:
        """`kinds`: how network elements of each kind are registered. `base_url`: how gateways reach this server.

        `committed` is called after a change that events came of. `preview` shows the request of a delivery's
        attempt at a time, as it was sent, without its secrets. `server`: this worker's name.
        `audit_days`: how long it can be seen what operators did. `simulator`: the virtual gateways beside this server.
        """
        self.db = db
        self.accounts = accounts
        self.sims = sims
        self.gateways = gateways
        self.kinds = kinds
        self.operations = operations
        self.commands = commands
        self.sending = sending
        self.base_url = base_url
        self.vault = vault
        self.keys = keys
        self.preview = preview
        self.committed = committed
        self.intake = intake
        self.clock = clock
        self.areas = areas or NamedAreas(db, clock=clock)
        self.rules = rules or RiskRules(db, clock=clock)
        self.billing = Billing(db, clock=clock)
        self.invoicing = Invoicing(self.billing)
        self.audit_days = audit_days
        self.grants = Grants(db)
        self.openid = openid
        self.simulator = simulator
        self.logins = logins or Logins(People(db), vault, clock=clock)
        self.audit = Audit(db, vault, server=server, clock=clock)

    async def sim(self, name: str) -> Sim:
        """The SIM with this IMSI, ICCID, phone number or NAI, whosever it is. Raises SimNotFound."""
        readable = len(name) <= 320 and "\x00" not in name
        found = await self.sims.find_any(name, number_of(name, self.intake)) if readable else None
        if found is None or not reaches(found.account_id):
            raise SimNotFound(f"No SIM has the IMSI, ICCID, phone number or NAI {name[:40]!r}")
        return found

    async def execute(self, request: Request, sim: Sim, command: Command) -> Decision:
        """Execute a command to this SIM for the operator; committed when this returns. Raises what its rule raises."""
        ref = SimRef(IdentifierKind.IMSI, sim.imsi)
        cause = self.cause(request, command.summary)
        # A reseller's: the SIM may be handed over to an account out of reach before the command is executed.
        account_id = sim.account_id if reach() is not None else None
        return await self.commands.submit(SimCommand(ref, command, cause, account_id))

    async def preview_of(self, request: Request, sim: Sim, command: Command) -> tuple[Decision, str | None]:
        """What this command would come to, and what is peculiar about it; nothing changes.

        Raises what its rule raises.
        """
        now = self.clock()
        async with self.db.transaction() as connection:
            [completed] = await areas.completed(connection, [(sim, command)], now)
        decision = rules.decide(sim, completed, now, self.cause(request, command.summary))
        return decision, catalogue.remark(completed, sim, decision)

    async def command(self, request: Request, wanted: ActionBody) -> Command:
        """What an action means. Raises what `ActionBody.parsed` raises, AccountNotFound, PermissionDenied."""
        if wanted.action == "hand-over" and not is_admin(request.caller):
            raise PermissionDenied("SIMs are handed over by administrators")
        shape = None if wanted.area is None else wanted.area.shape
        gateways = {} if shape is None or reach() is not None else await self.gateways.ids(shape.names)
        return wanted.parsed(gateways, None if wanted.to is None else (await self.account(wanted.to)).id)

    async def account(self, name: str) -> Account:
        """The account with this name or id. Raises AccountNotFound."""
        found = await self.accounts.get(name.replace("\x00", ""))
        if not reaches(found.id):
            raise AccountNotFound(f"No account has the name or id {name!r}")
        return found

    async def customer(self, name: str) -> Account:
        """The account with this name or id, to which the caller sells. Raises AccountNotFound, PermissionDenied."""
        found = await self.account(name)
        if found.id == seller():
            raise PermissionDenied("A reseller sells to the accounts below its own")
        return found

    async def account_id(self, name: str | None) -> str | None:
        """Of the account with this name or id; None for None, which is all. Raises AccountNotFound, AccountNeeded."""
        if name is not None:
            return (await self.account(name)).id
        if reach() is not None:
            raise AccountNeeded
        return None

    async def imsi(self, name: str | None) -> str | None:
        """Of the SIM that this names; None for None. Raises SimNotFound."""
        return None if name is None else (await self.sim(name)).imsi

    async def gateway_id(self, name: str | None) -> int | None:
        """Of the gateway with this name; None for None. Raises GatewayNotFound."""
        return None if name is None else await self.gateways.id_of(name)

    async def app_key(self, name: str | None) -> str | None:
        """Of the live application that is `ACCOUNT/APP`; any other name is an APPKEY. Raises ApplicationNotFound."""
        if name is None or "/" not in name:
            return name
        found = await self.accounts.named(name)
        if not reaches(found.account_id):
            raise ApplicationNotFound(f"No application is {name!r}: name it ACCOUNT/APP, or by its APPKEY")
        return found.app_key

    def cause(self, request: Request, what: str) -> Cause:
        """The cause of what the operator does by this request."""
        return Cause(CauseKind.OPERATOR, request.caller.app_key, self.clock(), what, request.correlator)


def number_of(name: str, intake: Intake) -> str | None:
    """What a name is as a phone number; None when it can be none."""
    try:
        return intake.number(name)
    except InvalidIdentifier:
        return None


def read(decoder: Decoder[Any], request: Request) -> Any:
    """The body of a request. Raises InvalidArgument, saying where it is wrong."""
    decoded = decode(decoder, request.body, _AS_SAID)
    if b"\\u0000" in request.body and _NUL.search(request.body):
        raise InvalidArgument("No text may contain the character U+0000")  # PostgreSQL cannot hold it
    return decoded
