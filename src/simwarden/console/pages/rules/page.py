"""Rules: which there are, what each says and said, whom it would have met, and switching it on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.console.calls import CallRefused
from simwarden.console.names import account_names
from simwarden.console.page import ConsolePage, Nav
from simwarden.console.pages.rules import builder, trial
from simwarden.console.rendering import address
from simwarden.console.visit import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from simwarden.console.visit import Visit

ROWS = 50
HOME = f"{ROOT}/rules"
DAYS = ("1", "7", "31")
ACTIONS = {"on": "changeRule", "off": "changeRule", "remove": "deleteRule"}


async def listed(visit: Visit) -> ASGIApp:
    """All rules, by name."""
    wanted = {"account": visit.query.get("account") or visit.account or ""}
    found, status, error = await visit.listed("rules", "/rules", limit=ROWS, **wanted)
    rules = [{**each, "words": builder.in_words(visit, each["rule"])} for each in found["rules"]]
    return visit.show(
        "rules/list.html",
        status,
        title=visit.t("rules.title"),
        rules=rules,
        accounts=await account_names(visit, (each["account"] for each in rules)),
        account=wanted["account"],
        error=error,
        **visit.steps(HOME, found, wanted),
    )


async def shipped(visit: Visit) -> ASGIApp:
    """The rules that come with Simwarden."""
    found = (await visit.api.get("/rule-templates"))["templates"]
    return visit.show(
        "rules/shipped.html",
        title=visit.t("rules.title"),
        templates=[{**each, "words": builder.in_words(visit, each["rule"])} for each in found],
    )


async def show(visit: Visit) -> ASGIApp:
    """One rule with its history, and on demand a dry run."""
    id_ = visit.named("rule")
    rule = await visit.api.get("/rules/{}", id_)
    versions = (await visit.api.get("/rules/{}/versions", id_))["versions"]
    days = visit.query.get("days", "")
    tried, error = None, None
    if days in DAYS and visit.may("tryRule"):
        tried, error = await _tried(visit, {"ruleId": id_, "days": int(days)})
    accounts = await account_names(visit, [rule["account"]])
    return visit.show(
        "rules/show.html",
        200 if error is None else error.status,
        title=rule["name"],
        rule=rule,
        words=builder.in_words(visit, rule["rule"]),
        account=accounts[rule["account"]],
        versions=[
            {**each, "words": builder.in_words(visit, each["rule"]) if "rule" in each else None}
            for each in reversed(versions)
        ],
        days=days,
        all_days=DAYS,
        tried=tried,
        counted=lambda counts: _counted(visit, counts),
        error=error and error.message,
        again=address(f"{HOME}/{id_}", {"days": days}, cursor=tried.cursor) if tried and tried.cursor else "",
    )


async def _tried(visit: Visit, wanted: Mapping[str, Any]) -> tuple[trial.TrialLook | None, CallRefused | None]:
    try:
        return await trial.looked(visit, wanted, visit.query.get("cursor")), None
    except CallRefused as refused:
        if refused.status in (400, 404, 409, 429):
            return None, refused
        raise


async def ask(visit: Visit) -> ASGIApp:
    """What switching it on or off, or removing it, will do."""
    action = _action(visit)
    rule = await visit.api.get("/rules/{}", visit.named("rule"))
    return visit.show(
        "rules/act.html",
        title=visit.t(f"rules.action.{action}"),
        rule=rule,
        words=builder.in_words(visit, rule["rule"]),
        action=action,
    )


async def act(visit: Visit) -> ASGIApp:
    """Do it."""
    action, id_ = _action(visit), visit.named("rule")
    if action == "remove":
        await visit.api.call("DELETE", "/rules/{}", id_)
        return visit.go(HOME, done="saved")
    await visit.api.call("PATCH", "/rules/{}", id_, body={"on": action == "on"})
    return visit.go(f"{HOME}/{id_}", done="saved")


def _action(visit: Visit) -> str:
    action = visit.named("rule_action")
    if action not in ACTIONS:
        raise CallRefused(404, "NOT_FOUND", "")
    return action


async def build(visit: Visit) -> ASGIApp:
    """The form of a new rule, from a shipped one where that is named; and what it would have done."""
    query = visit.query
    fields: dict[str, Any] = {"account": visit.account or "", "every": 1, "unit": "hours"}
    if "template" in query:
        found = (await visit.api.get("/rule-templates"))["templates"]
        template = next((each for each in found if each["name"] == query["template"]), None)
        if template is None:
            raise CallRefused(404, "NOT_FOUND", "")
        fields |= builder.fields_of(template["rule"]) | {"name": template["name"]}
    return await _building(visit, fields, None)


async def rebuild(visit: Visit) -> ASGIApp:
    """The form of a rule that there is."""
    rule = await visit.api.get("/rules/{}", visit.named("rule"))
    fields = builder.fields_of(rule["rule"]) | {"name": rule["name"], "account": rule["account"]}
    return await _building(visit, fields, rule)


async def _building(visit: Visit, fields: Mapping[str, Any], rule: Mapping[str, Any] | None) -> ASGIApp:
    query, tried, error = visit.query, None, None
    is_filled = query.get("try") == "yes"
    wanted = (
        builder.rule_of(lambda name: query.get(name, ""), lambda name: visit.lists.get(name, [])) if is_filled else {}
    )
    if is_filled:
        fields = {**dict.fromkeys(fields, ""), **query, "bar": visit.lists.get("bar", [])}
        if rule is not None:
            fields["account"] = rule["account"]
        days = query.get("days", "7")
        body = {"account": fields.get("account", ""), "rule": wanted, "days": int(days) if days in DAYS else 7}
        tried, error = await _tried(visit, body)
    return _form(visit, fields, rule, tried=tried, wanted=wanted, error=error)


def _form(
    visit: Visit,
    fields: Mapping[str, Any],
    rule: Mapping[str, Any] | None,
    *,
    tried: trial.TrialLook | None = None,
    wanted: Mapping[str, Any] | None = None,
    error: CallRefused | None = None,
) -> ASGIApp:
    here = f"{HOME}/{rule['id']}/change" if rule else f"{HOME}/new"
    kept = {**visit.query, "bar": visit.lists.get("bar", []), "cursor": None}
    return visit.show(
        "rules/build.html",
        200 if error is None else error.status,
        title=visit.t("rules.change") if rule else visit.t("rules.new"),
        rule=rule,
        here=here,
        fields=fields,
        signals=builder.SIGNALS,
        signal_word=lambda name: visit.word(name, "rules.signal"),
        units=[unit for unit, _ in reversed(builder.UNITS)],
        functions=builder.FUNCTIONS,
        conditions=range(1, builder.CONDITIONS + 1),
        all_days=DAYS,
        tried=tried,
        words=builder.in_words(visit, wanted) if tried and wanted else None,
        counted=lambda counts: _counted(visit, counts),
        error=error and (error.message or visit.t(f"failed.{error.status}")),
        again=address(here, kept, cursor=tried.cursor) if tried and tried.cursor else "",
    )


async def create(visit: Visit) -> ASGIApp:
    """Add the rule of the form."""
    body = {
        "account": visit.field("account"),
        "name": visit.field("name"),
        "rule": builder.rule_of(visit.field, visit.fields),
        "on": visit.field("on") == "yes",
    }
    try:
        made = await visit.api.post("/rules", body=body)
    except CallRefused as refused:
        return _refused(visit, refused, None)
    return visit.go(f"{HOME}/{made['id']}", done="saved")


async def change(visit: Visit) -> ASGIApp:
    """Make the rule what the form says."""
    id_ = visit.named("rule")
    body = {"name": visit.field("name"), "rule": builder.rule_of(visit.field, visit.fields)}
    try:
        await visit.api.call("PATCH", "/rules/{}", id_, body=body)
    except CallRefused as refused:
        return _refused(visit, refused, await visit.api.get("/rules/{}", id_))
    return visit.go(f"{HOME}/{id_}", done="saved")


def _refused(visit: Visit, refused: CallRefused, rule: Mapping[str, Any] | None) -> ASGIApp:
    """The form again, as it was filled in, with what is wrong."""
    if refused.status not in (400, 404, 409, 429):
        raise refused
    fields = {name: visit.field(name) for name in visit.form} | {"bar": visit.fields("bar")}
    return _form(visit, fields, rule, error=refused)


def _counted(visit: Visit, counts: Mapping[str, int]) -> str:
    """What was counted of a SIM, in words."""
    return visit.t("common.comma").join(f"{count} {visit.word(name, 'rules.signal')}" for name, count in counts.items())


PAGES = (
    ConsolePage(
        name="rules",
        path="/rules",
        suggests_accounts=True,
        show=listed,
        needs=("listRules",),
        nav=Nav("sims", 40, "rule"),
    ),
    ConsolePage(name="rules", path="/rules/shipped", show=shipped, needs=("listRuleTemplates",)),
    ConsolePage(
        name="rules",
        path="/rules/new",
        suggests_accounts=True,
        show=build,
        act=create,
        needs=("createRule", "tryRule", "listRuleTemplates"),
        acts=("createRule",),
    ),
    ConsolePage(name="rules", path="/rules/{rule}", show=show, needs=("getRule", "listRuleVersions")),
    ConsolePage(
        name="rules",
        path="/rules/{rule}/change",
        show=rebuild,
        act=change,
        needs=("getRule", "changeRule", "tryRule"),
        acts=("changeRule",),
    ),
    ConsolePage(
        name="rules",
        path="/rules/{rule}/act/{rule_action}",
        show=ask,
        act=act,
        needs=("getRule", *ACTIONS.values()),
        acts=tuple(ACTIONS.values()),
    ),
)
