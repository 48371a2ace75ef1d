"""The command API of Ejoin gateways as values: what to ask, and what the answer means. No I/O.

Clauses: "2.x" is the vendor's HTTP development specification 2.2 and its forerunners (pages `goip_*.html`), "v3" the
JSON paths of firmware 8.0d and later. Writing an IMEI, which these APIs offer, is unlawful in many countries and
deliberately has no function here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.normalise import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Generation(StrEnum):
    """Which API a gateway speaks."""

    V1 = "1.x"
    """The pages of 2.x, but the account is named `Username` in the query. (Devices of 1.x that also take `username`
    cannot be told from 2.x and need not be.)"""

    V2 = "2.x"
    """Pages `goip_*.html`, account `username`."""

    V3 = "3.x"
    """JSON paths such as `/lock_sims`; firmware 8.0d and later."""


class Slot(NamedTuple):
    """A place for a card."""

    port: int
    """Working port, from 1."""

    slot: int | None = None
    """Slot of that port, from 1; None means the port with all its slots."""


class SlotOperation(StrEnum):
    """What can be done to slots."""

    LOCK = "lock"
    UNLOCK = "unlock"


class CommandRequest(NamedTuple):
    """One HTTP request, without the credentials."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None = None


class CommandAnswer(NamedTuple):
    """What a gateway said to a command."""

    code: int
    """0 and 200 mean done, depending on the page; others in `REASONS`."""

    reason: str | None
    """The gateway's words."""

    @property
    def succeeded(self) -> bool:
        """Whether the gateway took the command. That it acted is only proven by its next status message."""
        return self.code in {0, 200}


REASONS: Mapping[int, str] = {
    1: "Invalid User",
    2: "Invalid Port",
    3: "USSD Expected",
    4: "Pending USSD",
    5: "SIM Unregistered",
    6: "Timeout",
    7: "Server Error",
    8: "SMS Expected",
    9: "TO Expected",
    10: "Pending Transaction",
    11: "TID Expected",
    12: "FROM Expected",
    13: "Duplicated TaskId",
    14: "Unauthorized",
    15: "Invalid CMD",
    16: "Too Many Task",
    17: "MMS Title Expected",
    18: "Too Many MMS Attachments",
    19: "MMS Attachments Expected",
    20: "MMS attachment cache over limit",
}
"""The vendor's words for the codes of the HTTP API (2.x and v3)."""

CREDENTIAL_CODES = frozenset({1, 14})
"""Codes that say the account or its password is wrong."""

_PASSING_CODES = frozenset({4, 5, 6, 7, 10, 16})


def is_passing(code: int) -> bool:
    """Whether a refusal with `code` may go away by itself. Codes no document names are taken to."""
    return code in _PASSING_CODES or (code not in REASONS and not 400 <= code < 500)


def _checked(slots: Sequence[Slot]) -> Sequence[Slot]:
    if not slots:
        raise ValueError("no slots given")  # an empty list could mean "all" to a gateway
    for port, slot in slots:
        if port < 1 or (slot is not None and slot < 1):
            raise ValueError("ports and slots count from 1")
    return slots


def _place(port: int, slot: int | None) -> str:
    """`2`, `2B`, or `2.27` for a slot that has no letter (2.x port list)."""
    if slot is None:
        return str(port)
    return f"{port}{chr(64 + slot)}" if slot <= 26 else f"{port}.{slot:02d}"


def _dotted(port: int, slot: int | None) -> str:
    """`2` or `2.02` (v3 patterns)."""
    return str(port) if slot is None else f"{port}.{slot:02d}"


def encode_command(
    operation: SlotOperation | str, slots: Sequence[Slot], generation: Generation = Generation.V2
) -> bytes:
    """The body that locks or unlocks `slots`, any number of them in one call.

    2.x: `{"type":"command","op":"lock","ports":"1A,2B"}`. v3: `{"slots":[{"port":1,"slot":2}]}`; with whole ports among
    them `{"slots_pattern":"1,2.02"}`, since a slot object without a slot is not documented.
    """
    operation = SlotOperation(operation)
    slots = _checked(slots)
    body: dict[str, object]
    if generation is not Generation.V3:
        ports = ",".join(_place(port, slot) for port, slot in slots)
        body = {"type": "command", "op": operation.value, "ports": ports}
    elif any(slot is None for _, slot in slots):
        body = {"slots_pattern": ",".join(_dotted(port, slot) for port, slot in slots)}
    else:
        body = {"slots": [{"port": port, "slot": slot} for port, slot in slots]}
    return msgspec.json.encode(body)


def command_request(operation: SlotOperation, slots: Sequence[Slot], generation: Generation) -> CommandRequest:
    """Lock or unlock: 2.x `goip_send_cmd.html`, v3 `/lock_sims` and `/unlock_sims`."""
    body = encode_command(operation, slots, generation)
    if generation is Generation.V3:
        return CommandRequest("POST", f"{operation.value}_sims", {}, body)
    return CommandRequest("POST", "goip_send_cmd.html", {"version": "1.1"}, body)


def status_request(generation: Generation) -> CommandRequest:
    """Ask for a `dev-status` of all slots: 2.x `goip_get_status.html`, v3 `/get_device_status`."""
    if generation is Generation.V3:
        return CommandRequest("GET", "get_device_status", {})
    return CommandRequest("GET", "goip_get_status.html", {"version": "1.1", "all_slots": "1"})


class SmsOrder(NamedTuple):
    """A short message that a gateway is to send."""

    task: int
    """`tid` (v3 `id`); one that the gateway knows already is refused with code 13."""
    slot: Slot
    to: str
    text: str


KNOWN_TASK = 13
"""Code of a task that was told before: it is taken."""


def sms_request(orders: Sequence[SmsOrder], generation: Generation) -> CommandRequest:
    """Send short messages, each a task of its own, and report how each went and whether it was delivered: 2.x
    `goip_post_sms.html`, v3 `/submit_sms_tasks`."""
    body: object
    if generation is Generation.V3:
        body = [
            {
                "id": order.task,
                "from": _dotted(*order.slot),
                "recipients": [order.to],
                "sms": order.text,
                "charset": "UTF-8",
                "coding": 0,
                "sdr": True,
                "fdr": True,
                "dr": True,
            }
            for order in orders
        ]
        return CommandRequest("POST", "submit_sms_tasks", {}, msgspec.json.encode(body))
    tasks = [
        {
            "tid": order.task,
            "from": _place(*order.slot),
            "to": order.to,
            "sms": order.text,
            "chs": "utf8",
            "coding": 0,
            "sdr": 1,
            "fdr": 1,
            "dr": 1,
        }
        for order in orders
    ]
    body = {"type": "send-sms", "task_num": len(tasks), "tasks": tasks}
    return CommandRequest("POST", "goip_post_sms.html", {"version": "1.1"}, msgspec.json.encode(body))


def read_task_answers(body: bytes) -> dict[int, CommandAnswer]:
    """What a gateway says to each task: the rows of 2.x (`tid`), the array of v3 (`id`).

    Rows without a number or a code are left out. Raises `Unreadable` when the body is not JSON.
    """
    value = _json(body)
    rows = value.get("status") if isinstance(value, dict) else value
    found: dict[int, CommandAnswer] = {}
    for row in rows if isinstance(rows, list) else []:
        answer = _part(row)
        if answer is None:
            continue
        try:
            task = normalise.integer(row.get("tid", row.get("id")))
        except Unreadable:
            continue
        if task is not None:
            found[task] = answer
    return found


def credentials(username: str, password: str, generation: Generation) -> dict[str, str]:
    """The account as query parameters."""
    return {"Username" if generation is Generation.V1 else "username": username, "password": password}


def _part(value: object) -> CommandAnswer | None:
    """The code in one object of an answer: `{"code":0,"reason":"OK"}` or `{"status":"0 OK"}`."""
    if not isinstance(value, dict):
        return None
    for name in ("code", "status"):
        try:
            code, words = normalise.code(value.get(name))
        except Unreadable:
            continue
        if code is not None:
            reason = value.get("reason")
            return CommandAnswer(code, normalise.text(reason) if isinstance(reason, str) else words)
    return None


def read_answer(body: bytes) -> CommandAnswer | None:
    """The outcome in an answer: its first refusal if any part was refused, else its success.

    Parts are the object itself, the `status` and `results` rows of 2.x task answers, the array of v3. None for JSON
    that tells no outcome. Raises `Unreadable` when the body is not JSON.
    """
    value = _json(body)
    parts = list(value) if isinstance(value, list) else [value]
    if isinstance(value, dict):
        for name in ("status", "results"):
            rows = value.get(name)
            parts += rows if isinstance(rows, list) else []
    answers = [answer for answer in map(_part, parts) if answer is not None]
    return next((answer for answer in answers if not answer.succeeded), answers[0] if answers else None)


def _json(body: bytes) -> object:
    """Raises `Unreadable`."""
    try:
        value: object = msgspec.json.decode(body.decode("utf-8-sig", errors="replace").strip("\0 \t\r\n"))
    except (msgspec.DecodeError, RecursionError):
        raise Unreadable from None
    return value
