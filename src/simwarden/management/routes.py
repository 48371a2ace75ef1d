"""The management API: which path leads where. Which roles open it says the document (`roles`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.management.accounts import AccountRoutes, ApplicationRoutes
from simwarden.management.alarms import AlarmRoutes
from simwarden.management.areas import AreaRoutes
from simwarden.management.arrival import OperatorsApi
from simwarden.management.bulk import BulkRoutes
from simwarden.management.callers import OperatorCallers
from simwarden.management.clients import ClientRoutes, ConsentRoutes
from simwarden.management.gateways import GatewayRoutes
from simwarden.management.hotspots import HotspotRoutes
from simwarden.management.hotzones import HotzoneRoutes
from simwarden.management.imei_lists import ImeiListRoutes
from simwarden.management.invoices import InvoiceRoutes
from simwarden.management.journal import JournalRoutes
from simwarden.management.limits import LimitRoutes
from simwarden.management.lines import LineRoutes
from simwarden.management.opt_outs import OptOutRoutes
from simwarden.management.outbox import OutboxRoutes
from simwarden.management.overview import OverviewRoutes
from simwarden.management.payments import PaymentRoutes
from simwarden.management.people import PeopleRoutes
from simwarden.management.places import PlaceRoutes
from simwarden.management.plans import PlanRoutes
from simwarden.management.ranges import RangeRoutes
from simwarden.management.reach import within_reach
from simwarden.management.records import RecordRoutes
from simwarden.management.risk import RiskRoutes
from simwarden.management.roles import for_resellers, opened_by
from simwarden.management.saved_views import SavedViewRoutes
from simwarden.management.schemas import MAX_CSV
from simwarden.management.sending import SendingRoutes
from simwarden.management.session import SessionRoutes
from simwarden.management.session_views import SessionViews
from simwarden.management.sim_lists import SimListRoutes
from simwarden.management.sims import SimRoutes
from simwarden.management.simulator import SimulatorRoutes
from simwarden.management.tacs import TacRoutes
from simwarden.management.usage import UsageRoutes
from simwarden.northbound.kernel.api import MAX_BODY, Api, Endpoint
from simwarden.store.accounts import OPERATOR

if TYPE_CHECKING:
    from simwarden.management.house import House
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import TokenCheck, TokenHolder

NAME = "manage"
PACKAGE = "simwarden.management"
"""Holds the API's `openapi.yaml`."""
READ = frozenset({"manage:read"})
"""Opens what only reads."""


_SHAPES = 1024 * 1024
"""Bytes: a polygon of far too many points is told so."""
_CHANGES_NOTHING = frozenset({"previewAction", "previewMessage", "tryArea", "tryRule"})
"""They ask by a body, and are no row of the audit list."""
_ONCE = frozenset({"sendMessage"})
"""They heed Idempotency-Key."""
_MOST = {
    "previewBulk": MAX_CSV + MAX_BODY,
    "importSites": MAX_CSV + MAX_BODY,
    "importLines": MAX_CSV + MAX_BODY,
    "importSims": MAX_CSV + MAX_BODY,
    "importTacs": 8 * MAX_BODY,
    "importImeis": 16 * MAX_BODY,
    "createArea": _SHAPES,
    "changeArea": _SHAPES,
    "actOnSim": _SHAPES,
}
"""Bytes of a body, where more than MAX_BODY are taken."""


_PRODUCED = {
    "exportSims": "text/csv",
    "getOperationResult": "text/csv",
    "getInvoicePdf": "application/pdf",
    "getInvoiceCsv": "text/csv",
    "getInvoiceXml": "application/xml",
}
"""Media types of answers that are not JSON."""


class OperatorsOnly:
    """Tokens of the operator's keys. Any other opens nothing here, whatever scopes are signed into it."""

    def __init__(self, tokens: TokenCheck) -> None:
        self._tokens = tokens

    async def check(self, token: str) -> TokenHolder | None:
        """Who calls; another's application without its scopes. Raises StoreUnavailable."""
        caller = await self._tokens.check(token)
        return caller if caller is None or caller.account_id == OPERATOR else NoOperator(caller)


class NoOperator:
    """A caller of the customers' APIs, here without any scope."""

    scopes: frozenset[str] = frozenset()
    granted = scopes
    daily_quota = None
    sandbox = False
    only = None

    def __init__(self, caller: TokenHolder) -> None:
        self.app_key = caller.app_key
        self.account_id = caller.account_id
        self.device = caller.device


def api(house: House, edge: Edge) -> Api:
    """The API, to be mounted at `/manage`."""
    tokens = OperatorCallers(edge.tokens, house.grants, house.logins)
    edge = msgspec.structs.replace(edge, tokens=tokens, rates=None)
    sims, gateways = SimRoutes(house), GatewayRoutes(house)
    outbox, bulk = OutboxRoutes(house), BulkRoutes(house)
    ranges, alarms, areas = RangeRoutes(house), AlarmRoutes(house), AreaRoutes(house)
    tacs, payments, risk = TacRoutes(house), PaymentRoutes(house), RiskRoutes(house)
    accounts, applications, journal = AccountRoutes(house), ApplicationRoutes(house), JournalRoutes(house)
    where, lines, hotzones = PlaceRoutes(house), LineRoutes(house), HotzoneRoutes(house)
    records, plans, opt_outs = RecordRoutes(house), PlanRoutes(house), OptOutRoutes(house)
    session, people, sending = SessionRoutes(house), PeopleRoutes(house), SendingRoutes(house)
    limits, invoices = LimitRoutes(house), InvoiceRoutes(house)
    imei_lists, sim_lists, views = ImeiListRoutes(house), SimListRoutes(house), SavedViewRoutes(house)
    simulator, carried = SimulatorRoutes(house), SessionViews(house)
    clients, consents = ClientRoutes(house), ConsentRoutes(house)
    table = (
        ("GET", "/sims", "listSims", sims.page),
        ("GET", "/sim-search", "searchSims", sims.search),
        ("GET", "/sim-export", "exportSims", sim_lists.export),
        ("POST", "/sim-lists", "importSims", sim_lists.bring),
        ("POST", "/sims", "createSim", sims.create),
        ("GET", "/sims/{}", "getSim", sims.show),
        ("PATCH", "/sims/{}", "changeSim", sims.change),
        ("POST", "/sims/{}/actions", "actOnSim", sims.act),
        ("POST", "/sims/{}/preview", "previewAction", sims.preview),
        ("GET", "/sims/{}/explain", "explainSim", sims.explain),
        ("GET", "/sims/{}/events", "listEvents", sims.events),
        ("GET", "/sims/{}/lifecycle", "getLifecycle", sims.life),
        ("GET", "/sims/{}/records", "getRecords", sims.records),
        ("GET", "/sims/{}/sessions", "listSimSessions", carried.of_sim),
        ("GET", "/sms", "listMessages", records.messages),
        ("GET", "/calls", "listCalls", records.calls),
        ("GET", "/counters", "listCounters", records.counted),
        ("GET", "/accounts", "listAccounts", accounts.page),
        ("POST", "/accounts", "createAccount", accounts.create),
        ("GET", "/accounts/{}", "getAccount", accounts.show),
        ("PATCH", "/accounts/{}", "changeAccount", accounts.change),
        ("DELETE", "/accounts/{}", "deleteAccount", accounts.delete),
        ("GET", "/accounts/{}/ranges", "listRanges", ranges.page),
        ("POST", "/accounts/{}/ranges", "addRange", ranges.add),
        ("DELETE", "/accounts/{}/ranges", "removeRange", ranges.remove),
        ("GET", "/accounts/{}/limits", "listLimits", limits.page),
        ("PATCH", "/accounts/{}/limits", "setLimit", limits.set),
        ("DELETE", "/accounts/{}/limits", "removeLimit", limits.remove),
        ("GET", "/accounts/{}/hotzones", "listHotzones", hotzones.page),
        ("POST", "/accounts/{}/hotzones", "setHotzone", hotzones.set),
        ("DELETE", "/accounts/{}/hotzones", "removeHotzone", hotzones.remove),
        ("GET", "/accounts/{}/opt-outs", "listOptOuts", opt_outs.page),
        ("POST", "/accounts/{}/opt-outs", "addAccountOptOut", opt_outs.add),
        ("POST", "/accounts/{}/opt-outs/remove", "removeAccountOptOut", opt_outs.remove),
        ("GET", "/accounts/{}/opt-out-words", "getOptOutWords", opt_outs.words),
        ("POST", "/accounts/{}/opt-out-words", "setOptOutWords", opt_outs.set_words),
        ("DELETE", "/accounts/{}/opt-out-words", "removeOptOutWords", opt_outs.usual_words),
        ("GET", "/hotzones/discovered", "listDiscoveredHotzones", HotspotRoutes(house).page),
        ("POST", "/accounts/{}/payment-rules", "setPaymentRules", payments.set),
        ("DELETE", "/accounts/{}/payment-rules", "removePaymentRules", payments.remove),
        ("GET", "/accounts/{}/payment-eligibility", "countPayments", payments.count),
        ("GET", "/sims/{}/payment-eligibility", "judgePayment", payments.judge),
        ("GET", "/applications/{}/client", "getClient", clients.show),
        ("PATCH", "/applications/{}/client", "changeClient", clients.change),
        ("POST", "/applications/{}/client/keys", "addClientKey", clients.add_key),
        ("DELETE", "/applications/{}/client/keys", "removeClientKey", clients.remove_key),
        ("POST", "/applications/{}/client/signing-secret", "issueSigningSecret", clients.issue_secret),
        ("DELETE", "/applications/{}/client/signing-secret", "removeSigningSecret", clients.remove_secret),
        ("GET", "/consents", "listConsents", consents.page),
        ("POST", "/consents", "setConsent", consents.set),
        ("DELETE", "/consents", "withdrawConsent", consents.withdraw),
        ("GET", "/consent-requests", "listConsentRequests", consents.waiting),
        ("GET", "/areas", "listAreas", areas.page),
        ("POST", "/areas", "createArea", areas.create),
        ("GET", "/areas/{}", "getArea", areas.show),
        ("PATCH", "/areas/{}", "changeArea", areas.change),
        ("DELETE", "/areas/{}", "deleteArea", areas.delete),
        ("POST", "/areas/{}/trial", "tryArea", areas.dry_run),
        ("GET", "/rules", "listRules", risk.page),
        ("POST", "/rules", "createRule", risk.create),
        ("GET", "/rules/{}", "getRule", risk.show),
        ("PATCH", "/rules/{}", "changeRule", risk.change),
        ("DELETE", "/rules/{}", "deleteRule", risk.delete),
        ("GET", "/rules/{}/versions", "listRuleVersions", risk.versions),
        ("GET", "/rule-templates", "listRuleTemplates", risk.templates),
        ("POST", "/rule-trials", "tryRule", risk.dry_run),
        ("POST", "/sims/{}/messages", "sendMessage", sending.send),
        ("POST", "/sims/{}/messages/preview", "previewMessage", sending.preview),
        ("GET", "/sent-messages", "listSentMessages", sending.page),
        ("GET", "/sent-messages/{}", "getSentMessage", sending.show),
        ("GET", "/gateways", "listGateways", gateways.page),
        ("POST", "/gateways", "createGateway", gateways.create),
        ("GET", "/gateways/{}", "getGateway", gateways.show),
        ("PATCH", "/gateways/{}", "changeGateway", gateways.change),
        ("DELETE", "/gateways/{}", "deleteGateway", gateways.delete),
        ("GET", "/gateways/{}/doubts", "listGatewayDoubts", gateways.doubts),
        ("GET", "/gateways/{}/targets", "listGatewayTargets", carried.of_element),
        ("POST", "/gateways/{}/token", "renewGatewayToken", gateways.renew),
        ("POST", "/gateways/{}/out-of-service", "takeGatewayOut", gateways.out_of_service),
        ("POST", "/gateways/{}/in-service", "putGatewayIn", gateways.in_service),
        ("POST", "/gateways/{}/site", "setGatewaySite", where.set_site),
        ("DELETE", "/gateways/{}/site", "removeGatewaySite", where.remove_site),
        ("POST", "/sites", "importSites", where.import_sites),
        ("GET", "/sims/{}/places", "listPlaces", where.history),
        ("POST", "/sims/{}/address", "setAddress", where.set_address),
        ("DELETE", "/sims/{}/address", "removeAddress", where.remove_address),
        ("GET", "/cells/{}", "getCell", where.cell),
        ("GET", "/lines", "listLines", lines.page),
        ("POST", "/lines", "createLine", lines.create),
        ("GET", "/lines/{}", "getLine", lines.show),
        ("DELETE", "/lines/{}", "deleteLine", lines.delete),
        ("POST", "/line-lists", "importLines", lines.bring),
        ("POST", "/tacs", "importTacs", tacs.bring),
        ("GET", "/tacs/{}", "getTac", tacs.show),
        ("GET", "/imei-lists", "listImeis", imei_lists.page),
        ("POST", "/imei-lists", "importImeis", imei_lists.bring),
        ("DELETE", "/imei-lists", "removeImei", imei_lists.remove),
        ("GET", "/imei-lists/{}", "getImei", imei_lists.show),
        ("GET", "/doubts", "listDoubts", gateways.all_doubts),
        ("GET", "/rejects", "listRejects", gateways.rejects),
        ("GET", "/subscriptions", "listSubscriptions", outbox.subscriptions),
        ("GET", "/subscriptions/{}", "getSubscription", outbox.subscription),
        ("DELETE", "/subscriptions/{}", "endSubscription", outbox.end),
        ("POST", "/subscriptions/{}/pause", "pauseSubscription", outbox.pause),
        ("POST", "/subscriptions/{}/resume", "resumeSubscription", outbox.resume),
        ("POST", "/subscriptions/{}/test", "testSubscription", outbox.test),
        ("POST", "/subscriptions/{}/hand-over", "handOverSubscription", outbox.hand_over),
        ("GET", "/applications", "listApplications", applications.page),
        ("POST", "/applications", "createApplication", applications.create),
        ("GET", "/applications/{}", "getApplication", applications.show),
        ("PATCH", "/applications/{}", "changeApplication", applications.change),
        ("POST", "/applications/{}/rotate", "rotateApplicationSecret", applications.rotate),
        ("POST", "/applications/{}/revoke", "revokeApplication", applications.revoke),
        ("GET", "/operators", "listOperators", applications.operators),
        ("POST", "/operators", "createOperator", applications.create_operator),
        ("PATCH", "/operators/{}", "changeOperator", applications.change_operator),
        ("POST", "/operators/{}/revoke", "revokeOperator", applications.revoke_operator),
        ("POST", "/session", "logIn", session.log_in),
        ("GET", "/session", "getSession", session.show),
        ("DELETE", "/session", "logOut", session.log_out),
        ("POST", "/session/setup", "setUp", session.set_up),
        ("GET", "/session/ways", "getLogInWays", session.ways),
        ("POST", "/session/first", "setUpFirst", session.first),
        ("POST", "/session/openid", "beginOpenIdLogin", session.begin),
        ("POST", "/session/openid/finish", "finishOpenIdLogin", session.finish),
        ("POST", "/session/password", "changePassword", session.change_password),
        ("POST", "/session/second-factor", "beginSecondFactor", session.offer),
        ("POST", "/session/second-factor/confirm", "confirmSecondFactor", session.confirm),
        ("GET", "/views", "listViews", views.page),
        ("POST", "/views", "saveView", views.save),
        ("DELETE", "/views/{}", "removeView", views.remove),
        ("GET", "/sessions", "listSessions", session.sessions),
        ("DELETE", "/sessions/{}", "endSession", session.end),
        ("GET", "/users", "listUsers", people.page),
        ("POST", "/users", "createUser", people.create),
        ("GET", "/users/{}", "getUser", people.show),
        ("PATCH", "/users/{}", "changeUser", people.change),
        ("POST", "/users/{}/setup-code", "renewSetupCode", people.renew),
        ("POST", "/signing-keys/rotate", "rotateSigningKey", applications.rotate_signing_key),
        ("GET", "/deliveries", "listDeliveries", outbox.deliveries),
        ("POST", "/deliveries/replay", "replayDeliveries", outbox.replay_since),
        ("GET", "/deliveries/{}", "getDelivery", outbox.delivery),
        ("POST", "/deliveries/{}/replay", "replayDelivery", outbox.replay),
        ("POST", "/bulk", "previewBulk", bulk.bulk),
        ("GET", "/operations", "listOperations", bulk.page),
        ("GET", "/operations/{}", "getOperation", bulk.show),
        ("POST", "/operations/{}/confirm", "confirmOperation", bulk.confirm),
        ("POST", "/operations/{}/cancel", "cancelOperation", bulk.cancel),
        ("GET", "/operations/{}/result", "getOperationResult", bulk.result),
        ("GET", "/alarms", "listAlarms", alarms.page),
        ("GET", "/alarms/{}", "getAlarm", alarms.show),
        ("POST", "/alarms/{}/acknowledge", "acknowledgeAlarm", alarms.acknowledge),
        ("GET", "/overview", "getOverview", OverviewRoutes(house).show),
        ("GET", "/usage", "listUsage", UsageRoutes(house).page),
        ("GET", "/plans", "listPlans", plans.page),
        ("POST", "/plans", "setPlan", plans.set),
        ("GET", "/plans/{}", "getPlan", plans.show),
        ("DELETE", "/plans/{}", "removePlan", plans.remove),
        ("GET", "/accounts/{}/plan", "getAccountPlan", plans.of_account),
        ("POST", "/accounts/{}/plan", "assignPlan", plans.assign),
        ("GET", "/accounts/{}/bill", "previewBill", plans.preview),
        ("GET", "/invoices", "listInvoices", invoices.page),
        ("POST", "/invoices", "closeMonth", invoices.close),
        ("GET", "/invoices/{}", "getInvoice", invoices.show),
        ("GET", "/invoices/{}/pdf", "getInvoicePdf", invoices.pdf),
        ("GET", "/invoices/{}/csv", "getInvoiceCsv", invoices.csv),
        ("GET", "/invoices/{}/xml", "getInvoiceXml", invoices.xml),
        ("POST", "/invoices/{}/credit-notes", "creditInvoice", invoices.credit),
        ("GET", "/seller", "getSeller", invoices.seller),
        ("POST", "/seller", "setSeller", invoices.set_seller),
        ("POST", "/seller/numbers", "confirmNumbers", invoices.confirm),
        ("GET", "/accounts/{}/buyer", "getBuyer", invoices.buyer),
        ("POST", "/accounts/{}/buyer", "setBuyer", invoices.set_buyer),
        ("GET", "/simulator", "getSimulator", simulator.show),
        ("POST", "/simulator/moves", "moveSimulatedSim", simulator.move),
        ("POST", "/simulator/gateways/{}", "switchSimulatedGateway", simulator.switch),
        ("POST", "/simulator/infections", "infectSimulatedSim", simulator.infect),
        ("POST", "/simulator/infections/end", "cureSimulatedSim", simulator.cure),
        ("GET", "/audit", "listAudit", journal.acts),
        ("GET", "/audit/verification", "verifyAudit", journal.verify),
        ("GET", "/requests", "listRequests", journal.requests),
    )
    bodiless = {
        "renewGatewayToken",
        "replayDelivery",
        "cancelOperation",
        "acknowledgeAlarm",
        "pauseSubscription",
        "resumeSubscription",
        "testSubscription",
        "takeGatewayOut",
        "putGatewayIn",
        "revokeOperator",
        "rotateSigningKey",
    }
    shows = {path: handle for method, path, name, handle in table if method == "GET" and name.startswith("get")}
    shows["/operators/{}"] = applications.show_operator
    endpoints: dict[str, dict[str, Endpoint]] = {}
    for method, path, name, work in table:
        handle = within_reach(work, house.accounts) if name in for_resellers(PACKAGE) else work
        show = shows.get(path) if path != "/session" and method in ("PATCH", "DELETE") else None
        endpoints.setdefault(f"/v1{path}", {})[method] = Endpoint(
            name,
            handle if method == "GET" or name in _CHANGES_NOTHING else house.audit.watched(name, handle, show),
            has_body=method in ("POST", "PATCH") and name not in bodiless,
            max_body=_MOST.get(name, MAX_BODY),
            once=name in _ONCE,
            produces=_PRODUCED.get(name, "application/json"),
        )
    return OperatorsApi(NAME, endpoints, opened_by(PACKAGE), edge, for_operators=True, refused=house.audit.refused)
