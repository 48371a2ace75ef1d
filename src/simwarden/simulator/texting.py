"""SMS tasks: what `goip_post_sms.html` (2.x) and `/submit_sms_tasks` (v3) make a gateway do."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from typing import Any

from simwarden.simulator.commands import Executor
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.slot_addresses import SlotAddress


def check_task(task: dict[str, Any], known: set[int], *, keys: tuple[str, str]) -> int:
    """The vendor code for one task (0 = OK), which is `known` from then on.

    `keys` name the id and the recipients in this generation.
    """
    task_id, recipients = keys
    if not isinstance(task.get(task_id), int):
        return 11
    if task[task_id] in known:
        return 13
    if not task.get("from"):
        return 12
    if not task.get(recipients):
        return 9
    if not task.get("sms"):
        return 8
    known.add(task[task_id])
    return 0


def read_text(task: dict[str, Any]) -> str:
    """The text of a task, decoded when its character set says base64."""
    text = str(task["sms"])
    charset = str(task.get("chs") or task.get("charset") or "utf8").lower()
    if charset != "base64":
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidRequest(f"sms is not base64 of UTF-8: {error}") from error


def sending(executor: Executor, *, tid: int, place: SlotAddress, numbers: list[str], text: str) -> Callable[[], None]:
    """The effect of a task: every number is sent to from `place` and reported."""

    def send() -> None:
        for number in numbers:
            send_one(executor, tid=tid, place=place, number=number, text=text)

    return send


def send_one(executor: Executor, *, tid: int, place: SlotAddress, number: str, text: str) -> None:
    """Send one SMS from the card in `place` now and push the report of it."""
    gateway = executor.gateway
    gateway.use(place, sms=1)
    message = gateway.sent_sms(place, tid=tid, to=number, text=text, at=int(time.time()), form=executor.form)
    executor.reporter.push(message["type"], message, [str(place)])


def sending_slot(executor: Executor, places: list[SlotAddress]) -> SlotAddress:
    """Which of the slots a task may use sends: the first registered card, else the first slot."""
    gateway = executor.gateway
    return next((place for place in places if gateway.state(place) == 3), places[0])
