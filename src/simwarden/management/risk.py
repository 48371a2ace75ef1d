"""Rules of accounts: list, create, show, change, delete; those that come with Simwarden."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec.json import Decoder

from simwarden.domain import risk
from simwarden.domain.risk_shipped import SHIPPED, shipped
from simwarden.engine import risk_trial
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.management.schemas import Name
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.domain.risk import StoredRule

Place = tuple[Text, Text]
"""Name and id of the last rule of a page."""


class CreateRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """CreateRule."""

    account: Name
    name: risk.Name | None = None
    template: Name | None = None
    on: bool = True
    rule: risk.RiskRule | None = None


class ChangeRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """ChangeRule."""

    name: risk.Name | None = None
    on: bool | None = None
    rule: risk.RiskRule | None = None


class TryRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """TryRule."""

    account: Name | None = None
    template: Name | None = None
    rule: risk.RiskRule | None = None
    rule_id: Name | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=31)] = 7


class RiskRoutes:
    """The operations under `/rules`, `/rule-templates` and `/rule-trials`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(CreateRule)
        self._change = Decoder(ChangeRule)
        self._try = Decoder(TryRule)

    async def page(self, request: Request) -> Answer:
        """listRules, by name."""
        query = Query(request.query, ("account",), "rules")
        account_id = await self._house.account_id(query.text("account"))
        found = await self._house.rules.page(account_id, query.cursor(Place) or ("", ""), query.limit + 1)
        these = found[: query.limit]
        answer: dict[str, object] = {"rules": [shown(each) for each in these]}
        if len(found) > len(these):
            answer["nextCursor"] = query.next((these[-1].name, these[-1].id))
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createRule: one that is said, or one that comes with Simwarden."""
        wanted: CreateRule = read(self._create, request)
        if (wanted.rule is None) == (wanted.template is None):
            raise InvalidArgument("Give one of rule and template")
        rule = wanted.rule or shipped(wanted.template or "").rule
        name = wanted.name or wanted.template
        if name is None:
            raise InvalidArgument("name must be specified")
        account = await self._house.account(wanted.account)
        made = await self._house.rules.add(account.id, name, rule, is_on=wanted.on, by=request.caller.app_key)
        return Answer(201, shown(made), [(b"location", f"/manage/v1/rules/{made.id}".encode())])

    async def show(self, request: Request) -> Answer:
        """getRule."""
        return Answer(200, shown(await self._house.rules.get(request.parameter)))

    async def change(self, request: Request) -> Answer:
        """changeRule: reports go by it from now on."""
        wanted: ChangeRule = read(self._change, request)
        if wanted == ChangeRule():
            raise InvalidArgument("name, on or rule must be specified")
        found = await self._house.rules.get(request.parameter)
        by = request.caller.app_key
        made = await self._house.rules.change(found, name=wanted.name, rule=wanted.rule, is_on=wanted.on, by=by)
        return Answer(200, shown(made))

    async def delete(self, request: Request) -> Answer:
        """deleteRule: what it raised stays until its end."""
        await self._house.rules.delete(await self._house.rules.get(request.parameter), by=request.caller.app_key)
        return Answer(204)

    async def versions(self, request: Request) -> Answer:
        """listRuleVersions: those of a rule that is removed too, by its id."""
        found = await self._house.rules.versions(request.parameter)
        if not found:
            found = await self._house.rules.versions((await self._house.rules.get(request.parameter)).id)
        told = [
            {"version": each.version, "name": each.name, "on": each.is_on, "setAt": each.set_at, "setBy": each.set_by}
            | ({} if each.rule is None else {"rule": each.rule})
            for each in found
        ]
        return Answer(200, {"versions": told})

    async def templates(self, _request: Request) -> Answer:
        """listRuleTemplates."""
        told = [{"name": name, "text": each.text, "rule": each.rule} for name, each in SHIPPED.items()]
        return Answer(200, {"templates": told})

    async def dry_run(self, request: Request) -> Answer:
        """tryRule: on a page of SIMs. Nothing is changed."""
        wanted: TryRule = read(self._try, request)
        stored, now = await self._tried(wanted), self._house.clock()
        query = Query(request.query, (), f"trial of {stored.account_id}")
        since = now - timedelta(days=wanted.days)
        after: str = query.cursor(Text) or ""
        found = await risk_trial.page(self._house.db, self._house.vault, stored, since, now, after, query.limit)
        answer: dict[str, object] = {
            "account": stored.account_id,
            "rule": stored.rule,
            "since": since,
            "sims": found.sims,
            "records": found.facts,
            "cut": found.cut,
            "met": [
                {
                    "imsi": imsi,
                    "times": met.times,
                    "first": datetime.fromtimestamp(met.first, UTC),
                    "last": datetime.fromtimestamp(met.last, UTC),
                    "counted": met.counted,
                }
                for imsi, met in found.met
            ],
        }
        if found.last is not None:
            answer["nextCursor"] = query.next(found.last)
        return Answer(200, answer)

    async def _tried(self, wanted: TryRule) -> StoredRule:
        """The rule to be tried. Raises InvalidArgument, InvalidRule, RuleNotFound."""
        if sum(each is not None for each in (wanted.rule, wanted.rule_id, wanted.template)) != 1:
            raise InvalidArgument("Give one of rule, ruleId and template")
        if wanted.rule_id is not None:
            return await self._house.rules.get(wanted.rule_id)
        if wanted.account is None:
            raise InvalidArgument("account must be specified")
        rule = wanted.rule or shipped(wanted.template or "").rule
        risk.check(rule)
        account, now = await self._house.account(wanted.account), self._house.clock()
        return risk.StoredRule(
            id="trial",
            account_id=account.id,
            name="trial",
            version=1,
            is_on=True,
            rule=rule,
            created_at=now,
            changed_at=now,
        )


def shown(found: StoredRule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        "id": found.id,
        "account": found.account_id,
        "name": found.name,
        "version": found.version,
        "on": found.is_on,
        "rule": found.rule,
        "createdAt": found.created_at,
        "changedAt": found.changed_at,
    }
