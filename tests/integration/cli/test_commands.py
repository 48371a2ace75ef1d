"""Every command as an operator types it, on a real database."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from simwarden.cli import main
from simwarden.domain.usage import Usage
from simwarden.settings import Settings, master_key
from simwarden.store import usage
from simwarden.store.database import Database
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

Run = Callable[..., Result]
IMSI, ICCID, MSISDN = "460000990123698", "89860042191782899541", "+8613900000001"


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SIMWARDEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *arguments, **options: runner.invoke(main, list(arguments), **options)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """All commands, subcommands included."""
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    found = [path] if path else []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_is_there_and_says_something(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert len(result.output.split("Options")[0].strip().splitlines()) > 2


LISTS = [path for path in commands(main) if path[-1] == "list" and path[0] not in ("alarm", "operation")]
"""Those that look into the database themselves; `operation list` and `alarm list` ask a server."""


@pytest.mark.parametrize("path", LISTS, ids=" ".join)
def test_an_empty_list_is_a_list_for_programs_and_a_hint_for_people(run: Run, path: tuple[str, ...]) -> None:
    assert told(run(*path, "--json")) == []
    result = run(*path)
    assert result.exit_code == 0
    assert result.output.strip()


def test_the_first_hour(run: Run) -> None:
    account = told(run("account", "create", "ACME", "--json"))
    app = told(run("app", "create", "--account", "ACME", "--name", "meters", "--json"))
    assert app["account_id"] == account["id"]
    assert app["app_key"].startswith("swk_")
    assert app["app_secret"].startswith("sws_")
    listed = told(run("app", "list", "--json"))
    assert [row["app_key"] for row in listed] == [app["app_key"]]
    assert "secret" not in json.dumps(listed)

    sim = told(run("sim", "add", "--account", "ACME", "--imsi", IMSI, "--iccid", ICCID, "--msisdn", MSISDN, "--json"))
    assert sim["state"] == "NEUTRAL"
    for name in (IMSI, ICCID, MSISDN, MSISDN[1:]):
        assert told(run("sim", "show", name, "--json"))["imsi"] == IMSI
    bound = told(run("sim", "bind", IMSI, "--imei", "35-368953-070790-3", "--alert-only", "--json"))
    assert (bound["state"], bound["bound_to"]) == ("LOCKED", ["353689530707903"])
    assert bound["policy"]["on_mismatch"] == "ALERT"
    again = told(run("sim", "bind", IMSI, "--tac", "35368953", "--json"))
    assert again["bound_to"] == ["35368953"]
    assert again["policy"]["on_mismatch"] == "ALERT", "binding again keeps the policy"
    explained = told(run("sim", "explain", IMSI, "--all", "--json"))
    assert [step["type"] for step in explained["history"]] == ["SIM_ADDED", "BINDING_CREATED", "BINDING_REPLACED"]
    assert explained["history"][1]["cause"]["kind"] == "OPERATOR"
    assert told(run("sim", "unbind", IMSI, "--json"))["state"] == "NEUTRAL"
    assert [row["imsi"] for row in told(run("sim", "list", "--state", "neutral", "--json"))] == [IMSI]

    assert app["daily_quota"] is None
    assert told(run("app", "quota", "ACME/meters", "10000", "--json"))["daily_quota"] == 10000
    listed = told(run("app", "list", "--json"))
    assert [row["daily_quota"] for row in listed] == [10000]
    assert "may make 7 counted calls a day" in run("app", "quota", app["app_key"], "7").output
    assert "has no quota" in run("app", "quota", f"{account['id']}/meters", "none").output
    made = told(run("app", "create", "--account", "ACME", "--name", "a/b", "--daily-quota", "5", "--json"))
    assert made["daily_quota"] == 5
    assert told(run("app", "quota", "ACME/a/b", "6", "--json"))["app_key"] == made["app_key"]

    revoked = told(run("app", "revoke", app["app_key"], "--json"))
    assert revoked["revoked_at"]


def test_an_application_has_the_small_set_of_scopes_unless_others_are_named(run: Run) -> None:
    run("account", "create", "ACME")

    def scopes(name: str, *options: str) -> set[str]:
        return set(told(run("app", "create", "--account", "ACME", "--name", name, *options, "--json"))["scopes"])

    default = scopes("plain")
    assert {"iot-sim-fraud-prevention:bind", "listen:receive"} < default
    assert not {each for each in default if each.startswith("iot-device-management:")} - {
        "iot-device-management:retrieve-status"
    }
    assert scopes("same", "--scopes", "default") == default
    assert "iot-device-management:add" in scopes("stock", "--scopes", "provision")
    one = "iot-device-management:suspend"
    assert scopes("more", "--scopes", "default", "--scope", one) == {*default, one}
    assert scopes("less", "--scope", one) == {one}
    assert scopes("trial", "--sandbox") == scopes("whole", "--scopes", "all")
    wrong = run("app", "create", "--account", "ACME", "--name", "x", "--scopes", "every")
    assert (wrong.exit_code, "the sets are: default, read" in wrong.output) == (1, True)
    listed = run("app", "create", "--help").output
    assert "provision" in listed


def test_what_holds_for_an_account(run: Run) -> None:
    run("account", "create", "ACME")
    shown = told(run("account", "set", "ACME", "--json"))["settings"]
    usual = {"on_mismatch": "ENFORCE", "unknown": "ALLOW", "resume": "AUTO"}
    assert shown == {"policy": usual, "strict": False}
    told(run("account", "set", "ACME", "--strict", "--alert-only", "--json"))
    after = told(run("account", "set", "ACME", "--unknown", "deny", "--resume", "manual", "--json"))["settings"]
    assert after == {"policy": {"on_mismatch": "ALERT", "unknown": "DENY", "resume": "MANUAL"}, "strict": True}
    text = run("account", "set", "ACME").output
    assert "is not bound" in text
    assert "ALERT" in text
    told(run("account", "set", "ACME", "--no-strict", "--enforce", "--json"))
    (row,) = told(run("account", "list", "--json"))
    assert row["settings"] == {"policy": usual | {"unknown": "DENY", "resume": "MANUAL"}, "strict": False}
    assert run("account", "set", "Nobody", "--strict").exit_code == 1


def test_the_key_that_signs_tokens_is_rotated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    kids = [told(run("signing-key", "rotate", "--json"))["kid"] for _ in range(2)]
    assert len(set(kids)) == 2
    result = run("signing-key", "rotate")
    assert "New tokens are signed with" in result.output
    assert "UTC" in result.output
    monkeypatch.setenv("SIMWARDEN_SECRET_KEY", "22" * 32)
    refused = run("signing-key", "rotate")
    assert refused.exit_code == 1
    assert "another master key" in refused.output


def test_number_ranges(run: Run) -> None:
    run("account", "create", "ACME")
    run("account", "create", "Other")
    assert (
        "ACME may register SIMs with imsi 46000099" in run("account", "range", "add", "ACME", "imsi", "46000099").output
    )
    told(run("account", "range", "add", "ACME", "msisdn", "+8613900000000-+8613900000099", "--json"))
    taken = run("account", "range", "add", "Other", "imsi", "460000-460001")
    assert taken.exit_code == 1
    assert "overlaps imsi 46000099, which the account ACME holds" in taken.output
    rows = told(run("account", "range", "list", "--json"))
    assert [(row["account"], row["kind"], row["range"]) for row in rows] == [
        ("ACME", "imsi", "46000099"),
        ("ACME", "msisdn", "+8613900000000-+8613900000099"),
    ]
    assert "46000099" in run("account", "range", "list", "ACME").output
    assert told(run("account", "range", "list", "Other", "--json")) == []
    told(run("account", "range", "remove", "ACME", "imsi", "46000099", "--json"))
    assert "no range imsi 46000099" in run("account", "range", "remove", "ACME", "imsi", "46000099").output
    told(run("account", "range", "add", "Other", "imsi", "460000-460001", "--json"))


def test_a_gateway_shows_its_url_once_and_never_its_password(run: Run) -> None:
    made = told(
        run(
            *("gateway", "add", "--name", "gw1", "--command-url", "http://127.0.0.1:9", "--username", "root"),
            *("--password", "-", "--json"),
            input="kept-secret\n",
        )
    )
    token = made["report_url"].rpartition("/")[2]
    shown = run("gateway", "list", "--json").output + run("gateway", "list").output
    assert "kept-secret" not in shown
    assert token not in shown
    assert told(run("gateway", "list", "--json"))[0]["state"] == "never reported"
    renewed = told(run("gateway", "renew", "gw1", "--json"))
    assert renewed["report_url"] != made["report_url"]
    assert told(run("gateway", "rejects", "gw1", "--json")) == []
    assert told(run("gateway", "doubts", "gw1", "--json")) == []
    pinned = told(run("gateway", "update", "gw1", "--source", "10.1.2.3/8", "--source", "192.0.2.7", "--json"))
    assert pinned["source_addresses"] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert told(run("gateway", "update", "gw1", "--source", "none", "--json"))["source_addresses"] == []
    assert told(run("gateway", "ports", "gw1", "--json")) == []


def test_a_gateway_is_shown_changed_and_deleted(run: Run, tmp_path: Path, database_url: str) -> None:
    told(run("gateway", "add", "--name", "gw1", "--json"))
    assert "only listened to" in run("gateway", "show", "gw1").output
    file = tmp_path / "password"
    file.write_text("first\n")
    shown = run(
        *("gateway", "update", "gw1", "--command-url", "http://192.0.2.7", "--username", "root", "--interval", "30"),
        *("--password-file", str(file)),
    )
    assert shown.exit_code == 0, shown.output
    assert "http://192.0.2.7" in shown.output
    assert "every 30 s" in shown.output
    vault = Vault(master_key(Settings(data_dir=str(tmp_path))))

    async def access() -> Any:
        db = await Database.connect(database_url, size=1)
        try:
            gateways = Gateways(db, vault)
            [name] = (await gateways.names()).values()
            return await gateways.access(await gateways.id_of(name))
        finally:
            await db.close()

    found = asyncio.run(access())
    assert (found.url, found.username, found.password) == ("http://192.0.2.7", "root", "first")
    asked = run("gateway", "update", "gw1", "--name", "north", "--username", "none", "--password", input="second\n")
    assert asked.exit_code == 0, asked.output
    assert "second" not in asked.output
    found = asyncio.run(access())
    assert (found.name, found.url, found.username, found.password) == ("north", "http://192.0.2.7", None, "second")
    told(run("gateway", "update", "north", "--command-url", "none", "--no-password", "--json"))
    found = asyncio.run(access())
    assert (found.url, found.password) == (None, None)
    warned = run("gateway", "update", "north", "--password", "third")
    assert "showed in the process list" in warned.output
    told(run("gateway", "add", "--name", "gw2", "--json"))
    for arguments, says in (
        (("update", "gw1", "--interval", "9"), "No gateway is named 'gw1'"),
        (("update", "north", "--name", "gw2"), "A gateway named 'gw2' exists already"),
        (("update", "north"), "Say what to change"),
        (("update", "north", "--command-url", "gw.example"), "must begin with http://"),
        (("show", "gw1"), "No gateway is named 'gw1'"),
        (("delete", "gw1"), "No gateway is named 'gw1'"),
    ):
        refused = run("gateway", *arguments)
        assert (refused.exit_code != 0, says in refused.output) == (True, True), refused.output
    assert told(run("gateway", "delete", "north", "--json")) == {"name": "north", "locks_left": []}
    assert [row["name"] for row in told(run("gateway", "list", "--json"))] == ["gw2"]


def test_import_takes_the_good_rows_and_tells_the_bad_ones(run: Run, tmp_path: Path) -> None:
    run("account", "create", "ACME")
    file = tmp_path / "sims.csv"
    file.write_text(
        "iccid,imsi,msisdn,imei\n"
        f"{ICCID},{IMSI},{MSISDN},353689530707903\n"
        "89860042191782899558,46000099012369x,+8613900000002,\n"
        f"89860042191782899566,460000990123699,{MSISDN},\n"
        "89860042191782899574,460000990123700,+8613900000003,\n"
    )
    result = run("sim", "import", "--account", "ACME", str(file), "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert (found["added"], found["refused"]) == (2, 2)
    assert [row["line"] for row in found["bad_rows"]] == [3, 4]
    assert "IMSI" in found["bad_rows"][0]["reason"]
    assert MSISDN in found["bad_rows"][1]["reason"]
    assert told(run("sim", "show", IMSI, "--json"))["bound_to"] == ["353689530707903"]
    plain = run("sim", "import", "--account", "ACME", str(file))
    assert "line 3:" in plain.output
    assert "0 SIMs added, 4 rows refused" in plain.output


def test_what_looks_wrong_is_warned_of_at_every_door(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("account", "create", "ACME")
    run("account", "create", "Other")
    run("account", "range", "add", "Other", "imsi", "31015")
    names = ("--imsi", "310150123456789", "--iccid", "8986011784124236478", "--msisdn", "13811000002")
    added = run("sim", "add", "--account", "ACME", *names, "--imei", "123456789012345")
    assert added.exit_code == 0
    for said in (
        "The IMEI 123456789012345 has a wrong check digit: 123456789012347 would have the right one",
        "The ICCID 8986011784124236478 has a wrong check digit: 8986011784124236470",
        "The phone number 13811000002 has no plus sign: it is taken as +13811000002; the setting home_country",
        "The imsi 310150123456789 lies in a number range of the account acc_",
    ):
        assert f"Warning: {said}" in added.stderr
    assert "wrong check digit" in run("sim", "bind", "310150123456789", "--imei", "353689530707904").stderr
    file = tmp_path / "sims.csv"
    rows = [f"{IMSI[:-1]}{n},138110000{n:02},35368953070790{n}" for n in range(8)]
    file.write_text("\n".join(["imsi,msisdn,imei", *rows]) + "\n")
    monkeypatch.setenv("SIMWARDEN_HOME_COUNTRY", "CN")
    done = run("sim", "import", "--account", "ACME", str(file))
    assert done.exit_code == 0, done.output
    assert "7 IMEIs have a wrong check digit; the first one is in line 2" in done.stderr
    assert "plus sign" not in done.stderr
    assert told(run("sim", "show", "13811000003", "--json"))["msisdn"] == "+8613811000003"
    monkeypatch.setenv("SIMWARDEN_STRICT_IDENTIFIERS", "true")
    refused = run("sim", "add", "--account", "ACME", "--imsi", "310150123456780", "--imei", "123456789012345")
    assert (refused.exit_code, "strict_identifiers" in refused.output) == (1, True)
    assert "No SIM has" in run("sim", "show", "310150123456780").output
    monkeypatch.setenv("SIMWARDEN_HOME_COUNTRY", "Atlantis")
    assert "'Atlantis' is no country" in run("sim", "list").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sim", "show", "460000000000000"], "No SIM has"),
        (["sim", "unbind", "460000000000000"], "No SIM has"),
        (["app", "create", "--account", "nobody", "--name", "x"], "No account"),
        (["app", "revoke", "swk_nothing"], "No application"),
        (["app", "quota", "ACME/nothing", "7"], "No application is 'ACME/nothing'"),
        (["app", "quota", "ACME/nothing", "0"], "0 is not in the range"),
        (["app", "quota", "ACME/nothing", "many"], "'many' is not a valid"),
        (["app", "create", "--account", "ACME", "--name", "x", "--sandbox", "--daily-quota", "7"], "are not counted"),
        (["gateway", "renew", "gw9"], "No gateway is named 'gw9'"),
        (["delivery", "show", "nothing"], "deliver"),
        (["sim", "add", "--account", "ACME", "--imsi", "12"], "An IMSI has 6 to 15 digits"),
        (["gatway", "list"], "Did you mean 'gateway'?"),
        (["delivery", "replay"], "Give an event id, or --since"),
        (["gateway", "add", "--name", "x", "--command-url", "gw.example"], "must begin with http://"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(run: Run, arguments: list[str], says: str) -> None:
    run("account", "create", "ACME")
    result = run(*arguments)
    assert result.exit_code != 0
    assert says in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_sim_belongs_to_one_account(run: Run) -> None:
    run("account", "create", "ACME")
    run("account", "create", "Other")
    assert run("sim", "add", "--account", "ACME", "--imsi", IMSI, "--msisdn", MSISDN).exit_code == 0
    result = run("sim", "add", "--account", "Other", "--imsi", "460000990123699", "--msisdn", MSISDN)
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert "ACME" not in result.output


def test_the_database_and_the_settings_are_shown(run: Run) -> None:
    status = told(run("db", "status", "--json"))
    assert status["version"] == status["target"]
    assert status["pending"] == []
    assert told(run("db", "migrate", "--json")) == {"applied": []}
    settings = told(run("config", "show", "--json"))
    assert settings["port"] == 8080


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_program(run: Run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_SIMWARDEN_COMPLETE" in result.output


async def _use(url: str, account_id: str, days: dict[dt.date, int]) -> None:
    database = await Database.connect(url)
    async with database.transaction() as connection:
        used = Usage(account_id, "swk_a", "iot-sim-fraud-prevention", "bindDeviceImei")
        await usage.count(connection, {(day, bucket, used): times for day, times in days.items() for bucket in (1, 2)})
    await database.close()


def test_usage(run: Run, database_url: str) -> None:
    assert told(run("usage", "--json"))["usage"] == []
    assert "Nothing was used" in run("usage").output
    account = told(run("account", "create", "ACME", "--json"))
    told(run("account", "create", "Other", "--json"))
    today = dt.datetime.now(dt.UTC).date()
    asyncio.run(_use(database_url, account["id"], {today: 1200, today - dt.timedelta(days=70): 5}))
    row = {
        "account_id": account["id"],
        "app_key": "swk_a",
        "api": "iot-sim-fraud-prevention",
        "operation": "bindDeviceImei",
        "count": 2400,
    }
    assert told(run("usage", "--json")) == {
        "since": str(today.replace(day=1)),
        "until": str(today),
        "usage": [row],
    }
    assert "2400" in run("usage", "--account", "ACME").output
    daily = told(run("usage", "--since", str(today - dt.timedelta(days=80)), "--daily", "--json"))["usage"]
    assert [(found["day"], found["count"]) for found in daily] == [
        (str(today - dt.timedelta(days=70)), 10),
        (str(today), 2400),
    ]
    assert told(run("usage", "--account", "Other", "--json"))["usage"] == []
    assert told(run("usage", "--until", str(today - dt.timedelta(days=70)), "--json"))["usage"][0]["count"] == 10
    assert "is not a day" in run("usage", "--since", "yesterday").output
    assert "must not be later" in run("usage", "--since", "2026-11-21", "--until", "2026-11-20").output
