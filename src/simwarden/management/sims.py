"""SIMs: list, create, show, change, explain, act upon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET
from msgspec.json import Decoder

from simwarden.domain import identifiers
from simwarden.domain.addresses import parse_ipv4, parse_ipv6
from simwarden.domain.errors import InvalidBinding, NothingToChange, SimExists
from simwarden.domain.intake import Caution, range_cautions
from simwarden.domain.rules import lifecycle
from simwarden.domain.rules.device import SetPolicy
from simwarden.domain.sim import Lifecycle, Sim
from simwarden.engine import explain, identity, mentions, provision
from simwarden.management import record_views, schemas, views
from simwarden.management.explanation import explanation
from simwarden.management.house import House, read
from simwarden.management.query import Bucket, Number, Query, Text
from simwarden.management.roles import may_reveal
from simwarden.management.sim_filters import FILTERS, as_filter, filter_body
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.store import listing, ranges, records
from simwarden.store.record_lists import call_of, message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NO_POLICY = "The SIM is not bound to a device, so there is no policy to change"
QUICK = 0.04
"""Seconds that a quick search takes in the database, about."""
RECORDS = 10
"""Messages, and calls, that are shown of a SIM."""
Place = tuple[Bucket, Text]
"""Bucket and IMSI of the last SIM of a page."""


class SimRoutes:
    """The operations under `/sims`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._create = Decoder(schemas.CreateSim)
        self._change = Decoder(schemas.ChangeSim)
        self._action = Decoder(schemas.ActionBody)

    async def page(self, request: Request) -> Answer:
        """listSims."""
        query = Query(request.query, (*FILTERS, "quick"), "sims")
        quick = query.choice("quick", ("true", "false")) == "true"
        wanted = await as_filter(self._house, filter_body(query))
        found, reached = await listing.page(
            self._house.db,
            wanted,
            after=query.cursor(Place) or (0, ""),
            limit=query.limit + 1,
            seconds=QUICK if quick else None,
        )
        shown = found[: query.limit]
        names = await self._names(each.sim for each in shown)
        answer: dict[str, object] = {"sims": [views.sim(each.sim, each.tags, names) for each in shown]}
        if len(found) > len(shown):
            last = shown[-1].sim
            answer["nextCursor"] = query.next((last.bucket, last.imsi))
        elif reached is not None:
            answer["nextCursor"] = query.next(reached)
            answer["searchedPercent"] = reached[0] * 100 // identifiers.BUCKETS
        return Answer(200, answer)

    async def create(self, request: Request) -> Answer:
        """createSim."""
        wanted: schemas.CreateSim = read(self._create, request)
        account = await self._house.accounts.get(wanted.account)
        intake = self._house.intake
        cautions = intake.cautions(imei=wanted.imei, iccid=wanted.iccid, msisdn=wanted.phone_number)
        made = provision.new_sim(
            account.id,
            imsi=wanted.imsi,
            iccid=wanted.iccid,
            msisdn=wanted.phone_number,
            nai=wanted.network_access_identifier,
            lifecycle=Lifecycle(wanted.lifecycle),
            home=intake.home,
        )
        addresses = tuple(dict.fromkeys([*map(parse_ipv4, wanted.ipv4), *map(parse_ipv6, wanted.ipv6)]))
        async with self._house.db.transaction() as connection:
            row = provision.NewSim(0, made, wanted.imei, addresses)
            cautions += range_cautions(await ranges.book(connection), account.id, row.names)
            bad = await provision.insert(connection, account.id, [row], self._house.cause(request, "create"))
            if bad:
                raise SimExists(bad[0].reason)
            if wanted.tags:
                await listing.tag(connection, made, wanted.tags)
        location = [(b"location", f"/manage/v1/sims/{made.imsi}".encode())]
        return Answer(201, await self._shown(await self._house.sim(made.imsi), cautions), location)

    async def show(self, request: Request) -> Answer:
        """getSim."""
        return Answer(200, await self._shown(await self._house.sim(request.parameter)))

    async def change(self, request: Request) -> Answer:
        """changeSim: names, binding policy, tags, in this order; what stands before an error is done."""
        wanted: schemas.ChangeSim = read(self._change, request)
        sim = await self._house.sim(request.parameter)
        names: dict[str, str | None] = {}
        cautions: tuple[Caution, ...] = ()
        if wanted.phone_number is not UNSET:
            names["msisdn"] = wanted.phone_number and self._house.intake.number(wanted.phone_number)
            cautions = self._house.intake.cautions(msisdn=wanted.phone_number)
        if wanted.network_access_identifier is not UNSET:
            names["nai"] = wanted.network_access_identifier and identifiers.parse_nai(wanted.network_access_identifier)
        if wanted.policy is not UNSET and sim.binding is None:
            raise InvalidBinding(_NO_POLICY)
        if names:
            given = [(kind, value) for kind, value in names.items() if value]
            cautions += range_cautions(await ranges.book(self._house.db), sim.account_id, given)
            await identity.rename(self._house.db, sim.imsi, names, self._house.cause(request, "change"))
        if wanted.policy is not UNSET:
            await self._set_policy(request, sim, wanted.policy)
        if wanted.tags is not UNSET:
            await listing.set_tags(self._house.db, sim, wanted.tags)
        return Answer(200, await self._shown(await self._house.sim(sim.imsi), cautions))

    async def _set_policy(self, request: Request, sim: Sim, wanted: schemas.PolicyBody) -> None:
        await self._house.execute(request, sim, SetPolicy(**msgspec.structs.asdict(wanted)))

    async def act(self, request: Request) -> Answer:
        """actOnSim: one SIM, committed when this answers. What is in that state already is answered as unchanged."""
        wanted: schemas.ActionBody = read(self._action, request)
        command = await self._house.command(request, wanted)
        cautions = self._house.intake.cautions(imei=wanted.imei)
        sim = await self._house.sim(request.parameter)
        try:
            decision = await self._house.execute(request, sim, command)
            changed = bool(decision.events)
        except NothingToChange:
            changed = False
        if not changed:
            shown = await self._shown(await self._house.sim(sim.imsi), cautions)
            return Answer(200, {"changed": False, "sim": shown})
        if decision.sim.lifecycle is Lifecycle.DELETED and wanted.action != "hand-over":
            return Answer(200, {"changed": True})
        return Answer(200, {"changed": True, "sim": await self._shown(await self._house.sim(sim.imsi), cautions)})

    async def preview(self, request: Request) -> Answer:
        """previewAction: the SIM as it would be, and the events that would say so. Nothing changes."""
        wanted: schemas.ActionBody = read(self._action, request)
        command = await self._house.command(request, wanted)
        cautions = self._house.intake.cautions(imei=wanted.imei)
        sim = await self._house.sim(request.parameter)
        try:
            decision, remark = await self._house.preview_of(request, sim, command)
        except NothingToChange as unchanged:
            shown = await self._shown(sim, cautions)
            return Answer(200, {"changes": False, "sim": shown, "events": [], "remark": unchanged.message})
        told = mentions.in_data(each.data for each in decision.events)
        names = await self._house.gateways.names((*mentions.in_sims([decision.sim]), *told))
        answer: dict[str, object] = {
            "changes": bool(decision.events),
            "sim": views.sim(decision.sim, await listing.tags_of(self._house.db, sim), names),
            "events": [views.event(each, names) for each in decision.events],
        }
        return Answer(200, answer | ({} if remark is None else {"remark": remark}))

    async def search(self, request: Request) -> Answer:
        """searchSims: as a person types. By indexes: quick with any number of SIMs."""
        query = Query(request.query, ("text",), "search")
        text = query.text("text", 64)
        if text is None:
            raise InvalidArgument("text must be specified")
        plus = text if text.startswith("+") else f"+{text}" if text.isdecimal() else None
        found = await listing.starting(self._house.db, text, plus, limit=query.limit + 1)
        listed = found[: query.limit]
        names = await self._names(each.sim for each in listed)
        shown = [views.sim(each.sim, each.tags, names) for each in listed]
        return Answer(200, {"sims": shown, "more": len(found) > len(shown)})

    async def explain(self, request: Request) -> Answer:
        """explainSim."""
        sim = await self._house.sim(request.parameter)
        found = await explain.explain(self._house.db, self._house.gateways, sim, history=100)
        return Answer(200, explanation(found))

    async def events(self, request: Request) -> Answer:
        """listEvents: the newest first."""
        sim = await self._house.sim(request.parameter)
        query = Query(request.query, (), f"events of {sim.imsi}")
        before = query.cursor(Number) or sim.event_count + 1
        found = await listing.events(self._house.db, sim, before=before, limit=query.limit + 1)
        shown = found[: query.limit]
        names = await self._house.gateways.names(mentions.in_data(each.data for each in shown))
        answer: dict[str, object] = {"events": [views.event(each, names) for each in shown]}
        if len(found) > len(shown):
            answer["nextCursor"] = query.next(shown[-1].n)
        return Answer(200, answer)

    async def records(self, request: Request) -> Answer:
        """getRecords: its newest messages and calls. Texts and numbers in clear only for who may write, on demand."""
        sim = await self._house.sim(request.parameter)
        reveal = Query(request.query, ("reveal",), "records").choice("reveal", ("true", "false")) == "true"
        if reveal and not may_reveal(request.caller):
            raise PermissionDenied
        found = await records.sms_of(self._house.db, self._house.vault, sim, RECORDS)
        messages = [message_of(row) for row in found]
        calls = [call_of(row) for row in await records.calls_of(self._house.db, self._house.vault, sim, RECORDS)]
        names = await self._house.gateways.names(row.gateway_id for row in (*messages, *calls))
        shown = {
            "messages": [record_views.message(row, names, reveal=reveal) for row in messages],
            "calls": [record_views.call(row, names, reveal=reveal) for row in calls],
        }
        return Answer(200, shown, [(b"cache-control", b"no-store")])

    async def life(self, request: Request) -> Answer:
        """getLifecycle: the states of a SIM, the newest first."""
        sim = await self._house.sim(request.parameter)
        states = [
            {
                "state": str(lifecycle.state_of(event)),
                "since": event.at,
                "n": event.n,
                "cause": msgspec.to_builtins(event.cause),
            }
            for event in await self._house.sims.life(sim)
        ]
        return Answer(200, {"state": str(sim.lifecycle), "history": states[::-1]})

    async def _shown(self, sim: Sim, cautions: Sequence[Caution] = ()) -> views.SimView:
        tags = await listing.tags_of(self._house.db, sim)
        shown = views.sim(sim, tags, await self._names([sim]))
        return msgspec.structs.replace(shown, warnings=list(cautions)) if cautions else shown

    async def _names(self, sims: Iterable[Sim]) -> dict[int, str]:
        return await self._house.gateways.names(mentions.in_sims(sims))
