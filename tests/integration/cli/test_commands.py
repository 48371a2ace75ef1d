"""Every command as an operator types it, against a real server."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from tests.support.server import serving

from simwarden.cli import main
from simwarden.domain.usage import Usage
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store import usage
from simwarden.store.database import Database
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

Run = Callable[..., Result]
IMSI, ICCID, MSISDN = "460000990123698", "89860042191782899541", "+8613900000001"


@pytest.fixture
async def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """Runs a command with the settings of a server that runs."""
    async with serving(tmp_path, database_url) as url:
        monkeypatch.setenv("SIMWARDEN_DATABASE_URL", database_url)
        monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("SIMWARDEN_PORT", url.rpartition(":")[2])
        monkeypatch.setenv("COLUMNS", "200")
        runner = CliRunner()
        yield lambda *arguments, **options: runner.invoke(main, list(arguments), **options)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


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


OF_ACCOUNTS = [("account", name, "list") for name in ("range", "hotzone", "limit", "opt-out")]
LISTS = [path for path in commands(main) if path[-1] == "list" and path not in OF_ACCOUNTS]


def test_an_empty_list_is_a_list_for_programs_and_a_hint_for_people(run: Run) -> None:
    run("account", "create", "ACME")
    for path in LISTS:
        if path not in (("account", "list"), ("operator", "list"), ("audit", "list")):
            assert told(run(*path, "--json")) == [], path
        result = run(*path)
        assert result.exit_code == 0, path
        assert result.output.strip(), path
    for path in OF_ACCOUNTS:
        assert told(run(*path, "ACME", "--json")) == [], path


def test_the_first_hour(run: Run) -> None:
    account = told(run("account", "create", "ACME", "--json"))
    app = told(run("app", "create", "--account", "ACME", "--name", "meters", "--json"))
    assert app["account"] == account["id"]
    assert app["appKey"].startswith("swk_")
    assert app["appSecret"].startswith("sws_")
    listed = told(run("app", "list", "--json"))
    assert [row["appKey"] for row in listed] == [app["appKey"]]
    assert "secret" not in json.dumps(listed)

    sim = told(run("sim", "add", "--account", "ACME", "--imsi", IMSI, "--iccid", ICCID, "--msisdn", MSISDN, "--json"))
    assert sim["bindingState"] == "NEUTRAL"
    for name in (IMSI, ICCID, MSISDN, MSISDN[1:]):
        assert told(run("sim", "show", name, "--json"))["imsi"] == IMSI
    bound = told(run("sim", "bind", IMSI, "--imei", "35-368953-070790-3", "--alert-only", "--json"))["sim"]
    assert (bound["bindingState"], bound["boundTo"]) == ("LOCKED", ["353689530707903"])
    assert bound["policy"]["onMismatch"] == "ALERT"
    again = told(run("sim", "bind", IMSI, "--tac", "35368953", "--json"))["sim"]
    assert again["boundTo"] == ["35368953"]
    assert again["policy"]["onMismatch"] == "ALERT", "binding again keeps the policy"
    part = told(run("sim", "bind", IMSI, "--first-seen", "--unknown", "deny", "--json"))["sim"]
    assert part["policy"] == {"onMismatch": "ALERT", "unknown": "DENY", "resume": "AUTO"}, "but for what is said"
    explained = told(run("sim", "explain", IMSI, "--all", "--json"))
    assert [step["type"] for step in explained["history"]] == [
        *("SIM_ADDED", "BINDING_CREATED", "BINDING_REPLACED", "BINDING_ARMED"),
    ]
    assert explained["history"][1]["cause"]["kind"] == "OPERATOR"
    assert told(run("sim", "unbind", IMSI, "--json"))["sim"]["bindingState"] == "NEUTRAL"
    assert [row["imsi"] for row in told(run("sim", "list", "--state", "neutral", "--json"))] == [IMSI]

    assert "dailyQuota" not in app
    assert told(run("app", "quota", "ACME/meters", "10000", "--json"))["dailyQuota"] == 10000
    listed = told(run("app", "list", "--json"))
    assert [row["dailyQuota"] for row in listed] == [10000]
    assert "7 counted calls a day" in run("app", "quota", app["appKey"], "7").output
    assert "Quota" not in run("app", "quota", f"{account['id']}/meters", "none").output
    made = told(run("app", "create", "--account", "ACME", "--name", "a/b", "--daily-quota", "5", "--json"))
    assert made["dailyQuota"] == 5
    assert told(run("app", "quota", "ACME/a/b", "6", "--json"))["appKey"] == made["appKey"]

    revoked = told(run("app", "revoke", app["appKey"], "--json"))
    assert revoked["revokedAt"]


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
    usual = {"onMismatch": "ENFORCE", "unknown": "ALLOW", "resume": "AUTO"}
    shown = told(run("account", "show", "ACME", "--json"))
    assert (shown["policy"], shown["strict"]) == (usual, False)
    told(run("account", "set", "ACME", "--strict", "--alert-only", "--json"))
    after = told(run("account", "set", "ACME", "--unknown", "deny", "--resume", "manual", "--json"))
    assert after["policy"] == {"onMismatch": "ALERT", "unknown": "DENY", "resume": "MANUAL"}
    assert after["strict"] is True
    text = run("account", "show", "ACME").output
    assert "is not bound" in text
    assert "ALERT" in text
    told(run("account", "set", "ACME", "--no-strict", "--enforce", "--name", "Acme", "--json"))
    [row] = told(run("account", "list", "--json"))
    assert (row["name"], row["strict"], row["policy"]["onMismatch"]) == ("Acme", False, "ENFORCE")
    assert run("account", "set", "Nobody", "--strict").exit_code == 1
    assert run("account", "set", "Acme").exit_code == 2
    told(run("account", "delete", "Acme", "--json"))
    assert told(run("account", "list", "--json")) == []


def test_the_key_that_signs_tokens_is_rotated(run: Run) -> None:
    kids = [told(run("signing-key", "rotate", "--json"))["kid"] for _ in range(2)]
    assert len(set(kids)) == 2
    result = run("signing-key", "rotate")
    assert "New tokens are signed with" in result.output


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
    rows = told(run("account", "range", "list", "ACME", "--json"))
    assert [(row["kind"], row["range"]) for row in rows] == [
        ("imsi", "46000099"),
        ("msisdn", "+8613900000000-+8613900000099"),
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
    token = made["reportUrl"].rpartition("/")[2]
    shown = run("gateway", "list", "--json").output + run("gateway", "list").output
    assert "kept-secret" not in shown
    assert token not in shown
    assert told(run("gateway", "list", "--json"))[0]["state"] == "NEVER_REPORTED"
    renewed = told(run("gateway", "renew", "gw1", "--json"))
    assert renewed["reportUrl"] != made["reportUrl"]
    assert told(run("gateway", "rejects", "gw1", "--json")) == []
    assert told(run("gateway", "doubts", "gw1", "--json")) == []
    pinned = told(run("gateway", "update", "gw1", "--source", "10.1.2.3/8", "--source", "192.0.2.7", "--json"))
    assert pinned["sourceAddresses"] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert "sourceAddresses" not in told(run("gateway", "update", "gw1", "--source", "none", "--json"))
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
    vault = Vault(master_key(Settings(data_dir=str(tmp_path / "data"))))

    async def access() -> Any:
        db = await Database.connect(database_url, size=1)
        try:
            gateways = Gateways(db, vault)
            [one] = await gateways.all()
            return await gateways.access(one["id"])
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
    assert told(run("gateway", "delete", "north", "--json")) == {}
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
    assert [row["line"] for row in found["badRows"]] == [3, 4]
    assert "IMSI" in found["badRows"][0]["reason"]
    assert MSISDN in found["badRows"][1]["reason"]
    assert told(run("sim", "show", IMSI, "--json"))["boundTo"] == ["353689530707903"]
    plain = run("sim", "import", "--account", "ACME", str(file))
    assert "line 3:" in plain.output
    assert "0 SIMs added, 2 unchanged, 2 rows refused" in plain.output
    rejected = tmp_path / "again.csv"
    again = run("sim", "import", "--account", "ACME", "--dry-run", "--rejected", str(rejected), str(file))
    assert "Dry run, nothing was written: 0 SIMs added" in again.output
    header, *kept = rejected.read_text().splitlines()
    assert (header, len(kept)) == ("reason," + file.read_text().splitlines()[0], 2)
    assert kept[0].startswith('"line 3: ')
    assert kept[0].endswith(file.read_text().splitlines()[2])
    text = rejected.read_text().replace(MSISDN, "+8613900000009")
    rejected.write_text(text)
    assert "1 SIMs added, 1 rows refused" in run("sim", "import", "--account", "ACME", str(rejected)).output
    assert run("sim", "import", "--account", "ACME", "--encoding", "x-no", str(file)).exit_code == 2


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
    assert told(run("sim", "show", "+8613811000003", "--json"))["phoneNumber"] == "+8613811000003"
    monkeypatch.setenv("SIMWARDEN_STRICT_IDENTIFIERS", "true")
    file.write_text("imsi,imei\n310150123456780,123456789012345\n")
    refused = run("sim", "import", "--account", "ACME", str(file))
    assert (refused.exit_code, "strict_identifiers" in refused.output) == (1, True)
    assert "No SIM has" in run("sim", "show", "310150123456780").output
    monkeypatch.setenv("SIMWARDEN_HOME_COUNTRY", "Atlantis")
    assert "'Atlantis' is no country" in run("sim", "list").output


MISTAKES: list[tuple[list[str], str]] = [
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
]


def test_mistakes_are_answered_in_a_sentence(run: Run) -> None:
    run("account", "create", "ACME")
    for arguments, says in MISTAKES:
        result = run(*arguments)
        assert result.exit_code in (1, 2), arguments
        assert says in result.output, (arguments, result.output)
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_errors_are_json_where_json_was_asked_for(run: Run) -> None:
    refused = run("sim", "show", "460000000000000", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    error = json.loads(refused.stderr)
    assert (error["status"], error["code"]) == (404, "IDENTIFIER_NOT_FOUND")


def test_a_server_that_is_away_is_said_so(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    away = run("sim", "list", "--url", "http://127.0.0.1:9")
    assert away.exit_code == 3
    assert "does not answer" in away.output
    assert "start it with `simwarden serve`, or name another with --url" in away.output
    monkeypatch.setenv("SIMWARDEN_URL", "http://127.0.0.1:9")
    assert json.loads(run("alarm", "list", "--json").stderr)["code"]
    monkeypatch.delenv("SIMWARDEN_URL")
    monkeypatch.setenv("SIMWARDEN_DATA_DIR", str(tmp_path / "elsewhere"))
    lost = run("sim", "list")
    assert (lost.exit_code, "There is no operator's key at" in lost.output) == (1, True)
    assert not (tmp_path / "elsewhere").exists(), "no command starts a database of its own"
    key = (tmp_path / "data" / "operator.key").read_text()
    monkeypatch.setenv("SIMWARDEN_OPERATOR_KEY", ":".join(json.loads(key).values()))
    assert told(run("sim", "list", "--json")) == []
    monkeypatch.setenv("SIMWARDEN_OPERATOR_KEY", "nonsense")
    assert "must be APPKEY:APPSECRET" in run("sim", "list").output
    monkeypatch.delenv("SIMWARDEN_OPERATOR_KEY")
    monkeypatch.delenv("SIMWARDEN_DATABASE_URL")
    file = tmp_path / "sims.csv"
    file.write_text("imsi\n460000990123698\n")
    nowhere = run("sim", "import", "--account", "ACME", str(file))
    assert (nowhere.exit_code, "There is no database in" in nowhere.output) == (1, True)


def test_tables_can_be_copied_piped_and_narrowed(run: Run) -> None:
    run("account", "create", "ACME")
    for number in range(3):
        run("sim", "add", "--account", "ACME", "--imsi", f"{IMSI[:-1]}{number}", "--tag", "site:north")
    table = run("sim", "list").stdout.splitlines()
    assert len(table) == 4, "one line a SIM, and the head"
    assert {line.split()[0] for line in table[1:]} == {f"{IMSI[:-1]}{number}" for number in range(3)}
    csv_ = run("sim", "list", "--csv", "--columns", "imsi,tags").stdout.splitlines()
    assert csv_[0] == "imsi,tags"
    assert f"{IMSI[:-1]}1,site:north" in csv_
    few = run("sim", "list", "--limit", "2")
    assert len(few.stdout.splitlines()) == 3
    assert "There are more than these 2" in few.stderr
    assert len(told(run("sim", "list", "--limit", "2", "--json"))) == 2
    told(run("sim", "suspend", f"{IMSI[:-1]}1", "--json"))
    barred = told(run("sim", "list", "--barred", "--tag", "site:north", "--json"))
    assert [row["imsi"] for row in barred] == [f"{IMSI[:-1]}1"]
    acts = told(run("audit", "list", "--target", f"{IMSI[:-1]}1", "--json"))
    assert [(row["operation"], row["detail"]) for row in acts] == [("actOnSim", {"action": "suspend"})]


def test_a_sim_is_limited_by_the_hour(run: Run) -> None:
    run("account", "create", "ACME")
    run("sim", "add", "--account", "ACME", "--imsi", IMSI)
    assert told(run("sim", "limit", IMSI, "--sms-per-hour", "20", "--json"))["changed"] is True
    assert told(run("sim", "limit", IMSI, "--none", "--json"))["changed"] is True
    assert run("sim", "limit", IMSI).exit_code == 2


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
    assert settings["workers"] == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_program(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_SIMWARDEN_COMPLETE" in result.output


async def _use(url: str, account_id: str, app_key: str, days: dict[dt.date, int]) -> None:
    database = await Database.connect(url)
    async with database.transaction() as connection:
        used = Usage(account_id, app_key, "iot-sim-fraud-prevention", "bindDeviceImei")
        await usage.count(connection, {(day, bucket, used): times for day, times in days.items() for bucket in (1, 2)})
    await database.close()


def test_usage(run: Run, database_url: str) -> None:
    assert told(run("usage", "--json"))["usage"] == []
    assert "Nothing was used" in run("usage").output
    account = told(run("account", "create", "ACME", "--json"))
    told(run("account", "create", "Other", "--json"))
    app = told(run("app", "create", "--account", "ACME", "--name", "meters", "--json"))
    today = dt.datetime.now(dt.UTC).date()
    days = {today: 1200, today - dt.timedelta(days=70): 5}
    asyncio.run(_use(database_url, account["id"], app["appKey"], days))
    row = {
        "account": account["id"],
        "appKey": app["appKey"],
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
    assert "2400" in run("usage", "--application", "ACME/meters", "--since", "today").output
    daily = told(run("usage", "--since", str(today - dt.timedelta(days=80)), "--daily", "--json"))["usage"]
    assert [(found["day"], found["count"]) for found in daily] == [
        (str(today - dt.timedelta(days=70)), 10),
        (str(today), 2400),
    ]
    assert told(run("usage", "--account", "Other", "--json"))["usage"] == []
    assert told(run("usage", "--until", str(today - dt.timedelta(days=70)), "--json"))["usage"][0]["count"] == 10
    assert "is not a day" in run("usage", "--since", "soon").output
    assert "must not be later" in run("usage", "--since", "2026-11-21", "--until", "2026-11-20").output
