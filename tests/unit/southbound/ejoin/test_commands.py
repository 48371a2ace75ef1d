"""What is sent to a gateway, and how its answers read."""

from __future__ import annotations

import json

import pytest

from simwarden.southbound.ejoin.commands import (
    CommandAnswer,
    Generation,
    Slot,
    SlotOperation,
    SmsOrder,
    encode_command,
    is_passing,
    read_answer,
    read_task_answers,
    sms_request,
)
from simwarden.southbound.ejoin.normalise import Unreadable, position


@pytest.mark.parametrize("generation", [Generation.V1, Generation.V2])
def test_pages_take_a_port_list(generation: Generation) -> None:
    body = encode_command("lock", [Slot(1, 1), Slot(2, 2), Slot(3), Slot(4, 27)], generation)
    assert json.loads(body) == {"type": "command", "op": "lock", "ports": "1A,2B,3,4.27"}


def test_a_port_list_reads_back() -> None:
    slots = [Slot(port, slot) for port in (1, 32) for slot in (None, *range(1, 40))]
    ports = json.loads(encode_command("unlock", slots))["ports"].split(",")
    assert [Slot(*position(place)[:2]) for place in ports] == slots


def test_v3_takes_slots() -> None:
    body = encode_command(SlotOperation.UNLOCK, [Slot(1, 2), Slot(3, 10)], Generation.V3)
    assert json.loads(body) == {"slots": [{"port": 1, "slot": 2}, {"port": 3, "slot": 10}]}
    assert json.loads(encode_command("lock", [Slot(1), Slot(2, 3)], Generation.V3)) == {"slots_pattern": "1,2.03"}


@pytest.mark.parametrize("slots", [[], [Slot(0, 1)], [Slot(1, 0)]])
def test_what_could_mean_more_than_was_asked_is_not_written(slots: list[Slot]) -> None:
    with pytest.raises(ValueError, match=r"slots"):
        encode_command("lock", slots)


@pytest.mark.parametrize("operation", ["reboot", "set_imeis", "save"])
def test_there_are_no_other_operations(operation: str) -> None:
    with pytest.raises(ValueError, match=operation):
        encode_command(operation, [Slot(1, 1)])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code":0,"reason":"OK"}', CommandAnswer(0, "OK")),
        (b'\xef\xbb\xbf{"code":"200","reason":"OK"}\0', CommandAnswer(200, "OK")),
        (b'{"code":"2 Invalid Port"}', CommandAnswer(2, "Invalid Port")),
        (
            b'{"code":200,"reason":"OK","type":"task-status","status":[{"tid":1,"status":"0 OK"}]}',
            CommandAnswer(200, "OK"),
        ),
        (b'{"code":200,"reason":"OK","status":[{"tid":1,"status":"13 Duplicated TaskId"}]}', None),
        (b'[{"id":1,"code":0,"reason":"OK"},{"id":2,"code":5,"reason":"SIM"}]', CommandAnswer(5, "SIM")),
        (b'{"code":7,"reason":"\xb4\xed"}', None),
        (b"{}", None),
        (b"[]", None),
        (b"7", None),
        (b'{"code":{},"reason":[]}', None),
    ],
)
def test_answers(body: bytes, expected: CommandAnswer | None) -> None:
    answer = read_answer(body)
    if b"Duplicated" in body:
        assert answer == CommandAnswer(13, "Duplicated TaskId")
    elif b"\xb4" in body:
        assert answer is not None
        assert answer.code == 7
    else:
        assert answer == expected
    assert answer is None or answer.succeeded is (answer.code in {0, 200})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff"])
def test_answers_that_are_no_json(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_answer(body)


def test_which_refusals_pass() -> None:
    assert [code for code in range(1, 21) if is_passing(code)] == [4, 5, 6, 7, 10, 16]
    assert is_passing(503)
    assert is_passing(99)
    assert not is_passing(404)


ORDERS = [SmsOrder(7, Slot(2, 27), "+491", "Grüße"), SmsOrder(8, Slot(3), "+492", "x")]


def test_orders_to_send() -> None:
    v2 = sms_request(ORDERS, Generation.V2)
    assert (v2.method, v2.path) == ("POST", "goip_post_sms.html")
    first, second = json.loads(v2.body or b"")["tasks"]
    assert {name: first[name] for name in ("tid", "from", "to", "sms", "chs", "sdr", "fdr", "dr")} == {
        "tid": 7,
        "from": "2.27",
        "to": "+491",
        "sms": "Grüße",
        "chs": "utf8",
        "sdr": 1,
        "fdr": 1,
        "dr": 1,
    }
    assert second["from"] == "3"
    v3 = sms_request(ORDERS, Generation.V3)
    assert v3.path == "submit_sms_tasks"
    first = json.loads(v3.body or b"")[0]
    assert (first["id"], first["from"], first["recipients"], first["charset"]) == (7, "2.27", ["+491"], "UTF-8")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code":200,"status":[{"tid":7,"status":"0 OK"},{"tid":8,"status":"13 Duplicated TaskId"}]}', {7: 0, 8: 13}),
        (b'[{"id":7,"code":0,"reason":"OK"},{"id":"8","code":5},{"code":1},7,{"id":9}]', {7: 0, 8: 5}),
        (b'{"code":1,"reason":"Invalid User"}', {}),
        (b"null", {}),
    ],
)
def test_what_is_said_to_each_task(body: bytes, expected: dict[int, int]) -> None:
    assert {task: answer.code for task, answer in read_task_answers(body).items()} == expected
