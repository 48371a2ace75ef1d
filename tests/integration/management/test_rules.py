"""Rules through the management API and the command line: said, shipped, changed, switched, removed; a SIM released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.management.house import imsi
from tests.integration.management.test_commands import Shell, shell

if TYPE_CHECKING:
    from tests.integration.management.house import House

__all__ = ["shell"]
MASS = {
    "when": [{"signal": "smsSent", "atLeast": 30}, {"signal": "receivers", "atLeast": 10}],
    "inMinutes": 60,
    "then": {"bar": {"functions": ["SMS"], "hours": 24}, "alert": True},
}


async def add(house: House, **more: Any) -> Any:
    said = {"account": "meters", "name": "mass", "rule": MASS} | more
    return await house.manage("POST", "/rules", {name: value for name, value in said.items() if value is not None})


async def test_rules_are_added_listed_changed_and_removed_and_each_change_is_kept(house: House) -> None:
    made = await add(house)
    assert (made.status, made.json["rule"], made.json["version"], made.json["on"]) == (201, MASS, 1, True)
    path = f"/rules/{made.json['id']}"
    assert (await add(house, account="stranger")).status == 201, "names are of their own within the account"
    assert (await add(house)).status == 409
    assert (await house.manage("GET", "/rules/mass")).status == 409, "two accounts have one of this name"
    shipped = await add(house, name=None, rule=None, template="mass-calls", on=False)
    assert (shipped.status, shipped.json["name"], shipped.json["on"]) == (201, "mass-calls", False)
    templates = (await house.manage("GET", "/rule-templates")).json["templates"]
    assert shipped.json["rule"] in [each["rule"] for each in templates]
    listed = (await house.manage("GET", "/rules?account=meters&limit=1")).json
    more = (await house.manage("GET", f"/rules?account=meters&limit=1&cursor={listed['nextCursor']}")).json
    assert [each["name"] for each in listed["rules"] + more["rules"]] == ["mass", "mass-calls"]
    assert "nextCursor" not in more
    other = MASS | {"then": {"tag": "seen"}}
    changed = await house.manage("PATCH", path, {"name": "masses", "rule": other})
    assert (changed.json["version"], changed.json["name"], changed.json["rule"]) == (2, "masses", other)
    assert (await house.manage("PATCH", path, {"on": False})).json["version"] == 3
    assert (await house.manage("PATCH", path, {"on": False})).json["version"] == 3, "the same again is no change"
    assert (await house.manage("DELETE", path)).status == 204
    assert (await house.manage("GET", path)).status == 404
    versions = (await house.manage("GET", f"{path}/versions")).json["versions"]
    assert [(each["version"], each["name"], each["on"], each.get("rule")) for each in versions] == [
        (1, "mass", True, MASS),
        (2, "masses", True, other),
        (3, "masses", False, other),
        (4, "masses", False, None),
    ]


async def test_what_is_no_rule_is_refused_with_the_place_and_stores_nothing(house: House) -> None:
    nested: Any = {"signal": "smsSent"}
    for _ in range(200):
        nested = {"all": [nested]}
    for more, status, says in (
        ({"rule": None}, 400, "one of rule and template"),
        ({"template": "mass-sms"}, 400, "one of rule and template"),
        ({"name": None}, 400, "name"),
        ({"rule": None, "template": "none"}, 404, "mass-sms"),
        ({"account": "nobody"}, 404, "nobody"),
        ({"rule": MASS | {"when": [nested]}}, 400, "when"),
        ({"rule": MASS | {"when": MASS["when"] * 3}}, 400, "when"),  # type: ignore[operator]
        ({"rule": MASS | {"when": [{"signal": "smsSent", "matches": "(a+)+$"}]}}, 400, "matches"),
        ({"rule": MASS | {"inMinutes": 10_081}}, 400, "inMinutes"),
        ({"rule": MASS | {"then": {}}}, 400, "then"),
        ({"rule": MASS | {"when": [{"signal": "silence"}], "inMinutes": 5}}, 400, "60"),
        ({"name": "a b"}, 400, "name"),
    ):
        refused = await add(house, **more)
        assert (refused.status, says in refused.json["message"]) == (status, True), (more, refused.json)
    assert (await house.manage("GET", "/rules")).json == {"rules": []}
    assert (await house.manage("PATCH", "/rules/nothing", {})).status == 400
    assert (await house.manage("GET", "/rules/a%00b")).status == 404


async def test_a_person_releases_a_sim_that_a_rule_barred(house: House) -> None:
    path = f"/sims/{imsi(0)}/actions"
    assert (await house.manage("POST", path, {"action": "release"})).json["changed"] is False
    await house.db.execute(
        """update sim set bars = '[{"cause": "RISK", "functions": 2, "since": "2026-03-01T00:00:00Z", "event": 1}]'
           where imsi = $1""",
        imsi(0),
    )
    done = (await house.manage("POST", path, {"action": "release"})).json
    assert (done["changed"], done["sim"]["bars"]) == (True, [])
    assert (await house.manage("POST", path, {"action": "release", "imei": "1"})).status == 400


async def test_one_command_switches_shipped_rules_on(shell: Shell) -> None:
    used = await shell("rule", "use", "ACME", "mass-sms", "phone-use")
    assert used.exit_code == 0, used.output
    assert "mass-sms: when messages sent >= 30 in 1h then bar SMS for 24 h, tag trojan, alert" in used.output
    assert "until released" in used.output
    said = ("rule", "add", "far", "--account", "ACME", "--when", "newCountries:2", "--when", "smsSent", "--in", "7d")
    made = await shell.told(*said, "--tag", "far", "--bar", "sms", "--for", "2d", "--off")
    assert made["rule"] == {
        "when": [{"signal": "newCountries", "atLeast": 2}, {"signal": "smsSent"}],
        "inMinutes": 10_080,
        "then": {"bar": {"functions": ["SMS"], "hours": 48}, "tag": "far"},
    }
    assert made["on"] is False
    assert (await shell.told("rule", "on", "far"))["on"] is True
    changed = await shell.told("rule", "change", "far", "--when", "silence", "--in", "24h", "--suspend")
    assert changed["rule"] == {"when": [{"signal": "silence"}], "inMinutes": 1440, "then": {"suspend": True}}
    shown = await shell("rule", "show", "far")
    assert "seen by nobody" in shown.output
    for wrong in (
        (*said, "--in", "90x"),
        (*said, "--when", "sms:3", "--alert"),
        (*said, "--when", "smsSent:x", "--alert"),
        (*said, "--for", "2d"),
        said,
        ("rule", "change", "far"),
        ("rule", "add", "x", "--account", "ACME"),
    ):
        assert (await shell(*wrong)).exit_code == 2, wrong
    assert (await shell("rule", "delete", "far")).exit_code == 0
    assert [each["name"] for each in await shell.told("rule", "list")] == ["mass-sms", "phone-use"]
    assert len(await shell.told("rule", "history", made["id"])) == 4


async def test_a_rule_is_tried_before_it_is_switched_on(house: House) -> None:
    for body, status in (
        ({}, 400),
        ({"rule": MASS}, 400),
        ({"account": "meters", "template": "mass-sms", "rule": MASS}, 400),
        ({"account": "meters", "template": "none"}, 404),
        ({"account": "nobody", "template": "mass-sms"}, 404),
        ({"ruleId": "nothing"}, 404),
        ({"account": "meters", "template": "mass-sms", "days": 32}, 400),
        ({"account": "meters", "rule": MASS | {"then": {}}}, 400),
    ):
        assert (await house.manage("POST", "/rule-trials", body)).status == status, body
    await house.db.execute(
        """insert into sms (bucket, gateway_id, key, direction, imsi, at, received_at)
           select s.bucket, 1, decode(lpad(to_hex(n), 8, '0'), 'hex'), 'outbound', s.imsi, now(), now()
           from sim s, generate_series(1, 40) n where s.imsi = $1""",
        imsi(3),
    )
    seen, path = 0, "/rule-trials?limit=7"
    met: list[Any] = []
    while True:
        body = {"account": "meters", "template": "mass-sms", "days": 1}
        page = await house.manage("POST", path, body)
        assert page.status == 200, page.json
        seen, met = seen + page.json["sims"], met + page.json["met"]
        if "nextCursor" not in page.json:
            break
        path = f"/rule-trials?limit=7&cursor={page.json['nextCursor']}"
    assert (seen, [(each["imsi"], each["times"], each["counted"]) for each in met]) == (
        20,
        [(imsi(3), 1, {"smsSent": 30})],
    )
    made = (await add(house, rule=MASS | {"when": MASS["when"][:1]}, on=False)).json  # type: ignore[index]
    by_id = (await house.manage("POST", "/rule-trials", {"ruleId": made["id"]})).json
    assert [each["imsi"] for each in by_id["met"]] == [imsi(3)]
    assert await house.db.fetchval("select count(*) from risk_state") == 0
    assert (await house.manage("GET", "/audit?operation=tryRule")).json["audit"] == []


async def test_the_command_that_tries_a_rule(shell: Shell) -> None:
    told = await shell.told("rule", "dry-run", "ACME", "--template", "mass-sms")
    assert (told["days"], told["met"], told["cut"]) == (7, [], 0)
    said = await shell("rule", "dry-run", "ACME", "--when", "callsMade:5", "--in", "1h", "--tag", "calls")
    assert "calls made >= 5" in said.output
    assert (await shell("rule", "dry-run", "ACME")).exit_code == 2
    assert (await shell("rule", "dry-run", "ACME", "--template", "x", "--rule", "y")).exit_code == 2
