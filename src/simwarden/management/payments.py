"""The rules by which SIMs of an account may pay by the phone bill: set, judged for one SIM, counted over all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
from msgspec.json import Decoder

from simwarden.domain.errors import ResourceNotFound
from simwarden.domain.payments import PaymentRules, first_obstacle
from simwarden.engine.payments import judged, judged_all
from simwarden.management import schemas
from simwarden.management.house import House, read
from simwarden.management.query import Query, Text
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from simwarden.store.accounts import Account

_CONDITIONS = {"tenureDays": 3650, "simSwapHours": 2400, "deviceSwapHours": 2400, "recycledDays": 3650}
"""Query parameters that are numbers, from 1 to this."""


class NoPaymentRules(ResourceNotFound):
    """The account has no rules for payments."""


class PaymentRoutes:
    """The operations under `payment-rules` and `payment-eligibility`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rules = Decoder(schemas.PaymentRulesBody)

    async def set(self, request: Request) -> Answer:
        """setPaymentRules: they replace those there are."""
        wanted: schemas.PaymentRulesBody = read(self._rules, request)
        rules = PaymentRules(**msgspec.structs.asdict(wanted))
        await self._change(await self._house.account(request.parameter), rules)
        return Answer(200, _shown(rules))

    async def remove(self, request: Request) -> Answer:
        """removePaymentRules."""
        await self._change(await self._house.account(request.parameter), None)
        return Answer(204)

    async def judge(self, request: Request) -> Answer:
        """judgePayment: each rule for one SIM. Raises NoPaymentRules."""
        query = Query(request.query, (*_CONDITIONS, "iotOnly"), "payment-eligibility")
        sim = await self._house.sim(request.parameter)
        account = await self._house.account(sim.account_id)
        rules = _tried(query) or _of(account)
        results = await judged(self._house.sims, sim, rules, self._house.clock())
        against = first_obstacle(results)
        shown = [
            {"rule": each.rule, "passed": each.passed is True, "known": each.passed is not None}
            | ({} if each.passed else {"code": str(each.code), "message": each.message})
            for each in results
        ]
        answer = {"imsi": sim.imsi, "account": account.name, "rules": _shown(rules), "eligible": against is None}
        return Answer(200, answer | {"results": shown} | ({} if against is None else {"code": str(against.code)}))

    async def count(self, request: Request) -> Answer:
        """countPayments: a page of an account's SIMs, and how many of them each rule would refuse.

        Raises NoPaymentRules.
        """
        query = Query(request.query, (*_CONDITIONS, "iotOnly"), "payment-eligibility")
        account = await self._house.account(request.parameter)
        rules = _tried(query) or _of(account)
        after: str = query.cursor(Text) or ""
        sims = await self._house.sims.page(account_id=account.id, after=after, limit=query.limit + 1)
        these = sims[: query.limit]
        found = await judged_all(self._house.sims, these, rules, self._house.clock())
        failed = Counter(each.rule for results in found for each in results if not each.passed)
        unknown = Counter(each.rule for results in found for each in results if each.passed is None)
        answer: dict[str, object] = {
            "rules": _shown(rules),
            "sims": len(these),
            "eligible": sum(all(each.passed for each in results) for results in found),
            "failed": [{"rule": rule, "sims": sims, "unknown": unknown[rule]} for rule, sims in failed.items()],
        }
        if len(sims) > len(these):
            answer["nextCursor"] = query.next(these[-1].imsi)
        return Answer(200, answer)

    async def _change(self, account: Account, rules: PaymentRules | None) -> None:
        settings = msgspec.structs.replace(account.settings, payments=rules)
        await self._house.accounts.change(account.id, account.name, settings)


def _of(account: Account) -> PaymentRules:
    if account.settings.payments is None:
        raise NoPaymentRules(f"The account {account.name} has no rules for payments: simwarden eligibility set --help")
    return account.settings.payments


def _tried(query: Query) -> PaymentRules | None:
    """The rules that the query names, to be tried before they are set; None: it names none. Raises InvalidArgument."""
    said: dict[str, int] = {}
    for name, most in _CONDITIONS.items():
        text = query.text(name, 8)
        if text is None:
            continue
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= most:
            raise InvalidArgument(f"{name} must be 1 to {most}")
        said[name] = int(text)
    iot_only = query.choice("iotOnly", ("true", "false"))
    if not said and iot_only is None:
        return None
    return PaymentRules(iot_only == "true", *(said.get(name) for name in _CONDITIONS))


def _shown(rules: PaymentRules) -> dict[str, object]:
    body = schemas.PaymentRulesBody(**msgspec.structs.asdict(rules))
    return {name: value for name, value in msgspec.to_builtins(body).items() if value is not None}
