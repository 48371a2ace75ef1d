"""device-identifier: which device, its model, its pseudonym, and whether it is a given one. Every answer is held
against CAMARA's document of 0.3.0 by the client, and here against the main branch's."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.conformance import contract
from tests.support.documents import read_yaml
from tests.unit.northbound.test_device_status import sandbox, session, slot
from tests.unit.northbound.world import FULL_IMEI, IMEI, NOW, Client, World, sim

from simwarden.domain.device_model import DeviceModel
from simwarden.domain.sim import Seen
from simwarden.domain.standing import Standing
from simwarden.domain.usage import Usage
from simwarden.store.pseudonyms import Pseudonyms
from simwarden.store.vault import Vault

BASE = "/device-identifier/v0.3"
IDENTIFIER, TYPE, PPID, MATCH = (
    f"{BASE}/{name}" for name in ("retrieve-identifier", "retrieve-type", "retrieve-ppid", "match-identifier")
)
NUMBER = "+8613800000001"
PHONE = {"device": {"phoneNumber": NUMBER}}
FIXED = "97ca80063e27535e4d662dc70c8972ba8ffdcdbb69b41449f7384db80a69e906"
"""Of the application `swk_a`, under a master key of zeros."""
MAIN = contract.CAMARA / "DeviceIdentifier" / "main" / "code" / "API_definitions" / "device-identifier.yaml"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


async def test_a_device_of_a_known_model(client: Client, world: World) -> None:
    world.models[IMEI[:8]] = DeviceModel(IMEI[:8], "Quectel", "BG96")
    world.standing[sim(NUMBER).imsi] = Standing(None, session())
    reply = await client("POST", IDENTIFIER, PHONE)
    found = reply.json
    at = datetime.fromisoformat(found.pop("lastChecked"))
    assert at == NOW - timedelta(minutes=1)
    named = {"tac": IMEI[:8], "model": "BG96", "manufacturer": "Quectel"}
    assert found == {"imei": FULL_IMEI, "imeisv": f"{IMEI}07", **named}
    found = (await client("POST", TYPE, PHONE)).json
    del found["lastChecked"]
    assert found == named


async def test_what_is_not_known_is_left_out(client: Client, world: World) -> None:
    assert (await client("POST", IDENTIFIER, PHONE)).json.keys() == {"lastChecked", "imei", "tac"}
    world.models[IMEI[:8]] = DeviceModel(IMEI[:8], None, "M" * 40)
    found = (await client("POST", TYPE, PHONE)).json
    assert found.keys() == {"lastChecked", "tac", "model"}
    assert found["model"] == "M" * 32


async def test_a_software_version_of_another_device_is_not_told(client: Client, world: World) -> None:
    world.standing[sim(NUMBER).imsi] = Standing(None, session(imei=IMEI[::-1]))
    assert "imeisv" not in (await client("POST", IDENTIFIER, PHONE)).json


async def test_it_was_checked_when_whoever_shows_it_said_so_last(client: Client, world: World) -> None:
    at = NOW + timedelta(minutes=2)
    world.standing[sim(NUMBER).imsi] = Standing(slot(at=at))
    for path in (IDENTIFIER, TYPE, PPID):
        assert datetime.fromisoformat((await client("POST", path, PHONE)).json["lastChecked"]) == at


async def test_a_pseudonym_is_the_applications_own_and_the_devices(client: Client, world: World) -> None:
    first = (await client("POST", PPID, PHONE)).json["ppid"]
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert (await client("POST", PPID, PHONE)).json["ppid"] == first
    assert (await client("POST", PPID, {}, token="device")).json["ppid"] == first
    assert (await client("POST", PPID, PHONE, token="colleague")).json["ppid"] != first
    other = sim("+8613800000003", imei="86052105000017")
    world.add(other)
    assert (await client("POST", PPID, {"device": {"phoneNumber": "+8613800000003"}})).json["ppid"] != first
    world.add(msgspec.structs.replace(other, seen=Seen(NOW, IMEI)))
    assert (await client("POST", PPID, {"device": {"phoneNumber": "+8613800000003"}})).json["ppid"] == first


def test_pseudonyms_hang_on_the_master_key_and_do_not_change_with_releases() -> None:
    assert Pseudonyms(Vault(bytes(32))).of("swk_a", IMEI) != Pseudonyms(Vault(b"1" * 32)).of("swk_a", IMEI)
    # Customers store them: whatever changes this breaks what they stored.
    assert Pseudonyms(Vault(bytes(32))).of("swk_a", IMEI) == FIXED


@pytest.mark.parametrize(
    ("kind", "given", "svn", "match"),
    [
        ("IMEI", FULL_IMEI, None, True),
        ("IMEI", IMEI + "0", None, True),  # check digits are not compared
        ("IMEI", "352099001761491", None, False),
        ("TAC", "35209900", None, True),
        ("TAC", "35209901", None, False),
        ("IMEISV", IMEI + "07", "07", True),
        ("IMEISV", IMEI + "08", "07", False),
        ("IMEISV", "3520990017614907", "07", False),
        ("IMEISV", "3520990017614907", None, False),
    ],
)
async def test_a_given_device_is_compared(
    client: Client, world: World, kind: str, given: str, svn: str | None, match: bool
) -> None:
    world.standing[sim(NUMBER).imsi] = Standing(None, session(svn=svn))
    body = {**PHONE, "providedIdentifierType": kind, "providedIdentifier": given}
    reply = await client("POST", MATCH, body)
    assert (reply.status, reply.json["match"]) == (200, match)
    assert reply.json.keys() == {"match", "lastChecked"}


async def test_a_software_version_that_is_not_known_is_neither_match_nor_mismatch(client: Client, world: World) -> None:
    world.standing[sim(NUMBER).imsi] = Standing(None, session(svn=None))
    body = {**PHONE, "providedIdentifierType": "IMEISV", "providedIdentifier": IMEI + "07"}
    reply = await client("POST", MATCH, body)
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.parametrize(
    "change",
    [
        {"providedIdentifierType": "MEID"},
        {"providedIdentifierType": None},
        {"providedIdentifier": 352099001761481},
        {"providedIdentifier": "35209900176148"},
        {"providedIdentifier": "3520990017614807"},
        {"providedIdentifier": "35-209900-176148-1"},
        {"providedIdentifierType": "TAC"},
        {"more": 1},
    ],
)
async def test_an_identifier_must_have_its_form(client: Client, change: dict[str, Any]) -> None:
    body = {**PHONE, "providedIdentifierType": "IMEI", "providedIdentifier": FULL_IMEI}
    reply = await client("POST", MATCH, body | change)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    for name in ("providedIdentifierType", "providedIdentifier"):
        reply = await client("POST", MATCH, {key: value for key, value in body.items() if key != name})
        assert (reply.status, reply.json["message"]) == (400, f"{name} must be specified")


def body_of(path: str, device: dict[str, Any]) -> dict[str, Any]:
    more = {"providedIdentifierType": "IMEI", "providedIdentifier": FULL_IMEI}
    return device | (more if path.endswith("match-identifier") else {})


@pytest.mark.parametrize("path", [IDENTIFIER, TYPE, PPID, MATCH])
@pytest.mark.parametrize(
    ("body", "token", "status", "code"),
    [
        ({"device": {"phoneNumber": "+8613899999999"}}, "good", 404, "IDENTIFIER_NOT_FOUND"),
        ({"device": {"phoneNumber": "+8613800000009"}}, "good", 404, "IDENTIFIER_NOT_FOUND"),  # another account's
        ({"device": {"phoneNumber": "+8613800000002"}}, "good", 422, "SERVICE_NOT_APPLICABLE"),  # never seen
        ({}, "lost-device", 404, "IDENTIFIER_NOT_FOUND"),
        ({}, "good", 422, "MISSING_IDENTIFIER"),
        (PHONE, "device", 422, "UNNECESSARY_IDENTIFIER"),
        ({"device": {"networkAccessIdentifier": "a@b"}}, "good", 422, "UNSUPPORTED_IDENTIFIER"),
        ({"device": {}}, "good", 400, "INVALID_ARGUMENT"),
        ({"device": {"phoneNumber": "13800000001"}}, "good", 400, "INVALID_ARGUMENT"),
        ({**PHONE, "more": 1}, "good", 400, "INVALID_ARGUMENT"),
        (PHONE, "narrow", 403, "PERMISSION_DENIED"),
        (PHONE, None, 401, "UNAUTHENTICATED"),
        (PHONE, "bad", 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, path: str, body: Any, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", path, body_of(path, body), token=token)
    assert (reply.status, reply.json["code"]) == (status, code)


async def test_a_device_that_cannot_be_recognised_now_is_not_the_one_before(client: Client, world: World) -> None:
    world.add(msgspec.structs.replace(sim(NUMBER), seen=Seen(NOW, IMEI, unknown=True)))
    for path in (IDENTIFIER, TYPE, PPID, MATCH):
        reply = await client("POST", path, body_of(path, PHONE))
        assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.skipif(not MAIN.is_file(), reason="CAMARA's documents (../shared/camara) are not at hand")
@pytest.mark.parametrize("path", [IDENTIFIER, TYPE, PPID, MATCH])
async def test_the_answers_keep_the_main_branch_too(client: Client, world: World, path: str) -> None:
    world.models[IMEI[:8]] = DeviceModel(IMEI[:8], "Quectel", "BG96")
    world.standing[sim(NUMBER).imsi] = Standing(slot(), session())
    document = read_yaml(MAIN.read_text(encoding="utf-8"))
    common = read_yaml((MAIN.parents[1] / "common" / "CAMARA_common.yaml").read_text(encoding="utf-8"))
    for kind, entries in common["components"].items():
        document["components"].setdefault(kind, {})
        document["components"][kind] = {**entries, **document["components"][kind]}
    text = msgspec.json.encode(document).replace(b"../common/CAMARA_common.yaml#", b"#")
    theirs = contract.Contract(msgspec.json.decode(text), beyond=contract.BEYOND)
    newest = path.replace("v0.3", "vwip")
    named = {"device": {"phoneNumber": NUMBER, "networkAccessIdentifier": "a@b"}}
    bodies: list[dict[str, Any]] = [PHONE, named, {}, {"device": {"phoneNumber": "+8613899999999"}}, {"device": {}}]
    for body in bodies:
        reply = await client("POST", newest, body_of(path, body))
        theirs.check("POST", f"/{path.rpartition('/')[2]}", reply)
    assert (await client("POST", newest, body_of(path, named))).json["device"] == {"phoneNumber": NUMBER}


@pytest.mark.parametrize("path", [IDENTIFIER, TYPE, PPID, MATCH])
async def test_each_operation_has_a_scope_of_its_own_and_is_counted(client: Client, world: World, path: str) -> None:
    name = path.rpartition("/")[2]
    world.callers["good"] = msgspec.structs.replace(
        world.callers["good"], scopes=frozenset({f"device-identifier:{name}"})
    )
    for other in (IDENTIFIER, TYPE, PPID, MATCH):
        assert (await client("POST", other, body_of(other, PHONE))).status == (200 if other == path else 403)
    operation = {"retrieve-ppid": "retrievePPID"}.get(name, re.sub("-([a-z])", lambda m: m[1].upper(), name))
    assert world.read_only == [Usage("acc_meters", "swk_meters", "device-identifier", operation)]


async def test_what_the_sandbox_plays(world: World) -> None:
    client = sandbox(world)
    found = (await client("POST", IDENTIFIER, {"device": {"phoneNumber": "+8613800000010"}})).json
    assert found["imei"] == FULL_IMEI
    assert found["imeisv"] == f"{IMEI}01"
    assert (found["manufacturer"], found["model"]) == ("Simwarden", "Virtual Meter")
    other = (await client("POST", TYPE, {"device": {"phoneNumber": "+8613800000012"}})).json
    assert other.keys() == {"lastChecked", "tac"}
    assert (await client("POST", PPID, {"device": {"phoneNumber": "+8613800000015"}})).status == 422
