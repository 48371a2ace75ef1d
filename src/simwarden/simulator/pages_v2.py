"""The `goip_*.html` command pages of HTTP API 1.x and 2.x."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from aiohttp import web

from simwarden.simulator.commands import ReceivedCommand, answer
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.faults import FaultName
from simwarden.simulator.pages import Handler, Pages, finish, read_object
from simwarden.simulator.slot_addresses import SlotAddress
from simwarden.simulator.texting import check_task, read_text, sending, sending_slot

OPERATIONS = frozenset({"lock", "unlock", "switch", "reset", "save", "reboot", "redial", "ledon", "ledoff"})

#: Shortest accepted report period in seconds (2.x); 0 switches reports off.
SHORTEST_PERIOD = 60

_PORTS_ONLY = re.compile(r"all|\*|[\d,\- ]+")


class PagesV2(Pages):
    """Answers 200 with a `code` in the body, also when it says no."""

    def routes(self) -> list[web.RouteDef]:
        """The pages by their path."""
        pages: list[tuple[str, str, Callable[[web.Request, FaultName], Any]]] = [
            ("GET", "/goip_get_status.html", self.get_status),
            ("POST", "/goip_send_cmd.html", self.send_command),
            ("POST", "/goip_post_sms.html", self.post_sms),
            ("GET", "/goip_get_sms.html", self.get_sms),
        ]
        return [web.route(method, path, self._guard(page)) for method, path, page in pages]

    def _guard(self, page: Callable[[web.Request, FaultName], Any]) -> Handler:
        @wraps(page)
        async def guarded(request: web.Request) -> web.StreamResponse:
            fault, response = await self.faulty(request)
            if response is not None:
                return response
            if not self.authenticate(request):
                return finish(self.executor.record("login", request.path, fault=fault), answer(1))
            try:
                result: web.StreamResponse = await page(request, fault)
            except InvalidRequest as error:
                return finish(self.executor.record("invalid", request.path, fault=fault), answer(15, str(error)))
            return result

        return guarded

    async def get_status(self, request: web.Request, fault: FaultName) -> web.Response:
        """Answer with a dev-status at once (`expires` -1: polled) and take a new report URL and period."""
        command = self.executor.record("get_status", request.path, fault=fault)
        url = request.query.get("url")
        period = request.query.get("period")
        if period is not None and not (period.isdecimal() and (period == "0" or int(period) >= SHORTEST_PERIOD)):
            return finish(command, answer(15, f"period must be 0 or at least {SHORTEST_PERIOD}"))
        if fault != "lie" and (url or period):
            self.configure_reports(url, int(period) if period else None)
        all_slots = request.query.get("all_slots", "0") == "1"
        return finish(command, self.executor.gateway.dev_status("v2", expires=-1, all_slots=all_slots))

    async def send_command(self, request: web.Request, fault: FaultName) -> web.Response:
        """`{"type":"command","op":"lock","ports":"1A,2B"}` or `op` multiple with a list `ops`."""
        body = await read_object(request)
        op = str(body.get("op", request.query.get("op", "")))
        items = body.get("ops") if op == "multiple" else [body]
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise InvalidRequest("op multiple needs a list of objects in ops")
        commands: list[tuple[ReceivedCommand, list[SlotAddress]]] = []
        for item in items:
            name = str(item.get("op", ""))
            if name not in OPERATIONS:
                raise InvalidRequest(f"unknown op {name!r}")
            try:
                places = self._places(name, item.get("ports"))
            except InvalidRequest as error:
                return finish(self.executor.record(name, request.path, fault=fault), answer(2, str(error)))
            commands.append((self.executor.record(name, request.path, places, fault), places))
        for command, places in commands:
            finish(command, answer(0))
            self.executor.run(command, places)
        return web.json_response(answer(0))

    def _places(self, op: str, ports: object) -> list[SlotAddress]:
        if ports is None or ports == "":
            if op in {"save", "reboot"}:
                return []
            raise InvalidRequest(f"{op} needs ports")
        pattern = str(ports)
        if op == "reset" and _PORTS_ONLY.fullmatch(pattern) is None:
            raise InvalidRequest("reset takes port numbers only")
        places = self.every_slot(pattern)
        if op == "switch" and len({place.port for place in places}) != len(places):
            raise InvalidRequest("switch needs one slot a port, for example 2.02")
        return places

    async def post_sms(self, request: web.Request, fault: FaultName) -> web.Response:
        """Take SMS tasks; each recipient is reported by a `sent-sms` push when it is sent."""
        body = await read_object(request)
        command = self.executor.record("post_sms", request.path, fault=fault)
        tasks = body.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            return finish(command, answer(15, "tasks must be a list of objects"))
        results = []
        for task in tasks:
            code = check_task(task, self.executor.tasks, keys=("tid", "to"))
            if code == 0:
                place = sending_slot(self.executor, self.every_slot(str(task["from"])))
                command.slots.append(str(place))
                numbers = [number.strip() for number in str(task["to"]).split(",") if number.strip()]
                effect = sending(self.executor, tid=task["tid"], place=place, numbers=numbers, text=read_text(task))
                self.executor.do_later(command, effect)
            results.append({"tid": task.get("tid", 0), "status": f"{code} {answer(code)['reason']}"})
        return finish(command, answer(200, type="task-status", status=results))

    async def get_sms(self, request: web.Request, fault: FaultName) -> web.Response:
        """Received SMS from `sms_id` on (body only, without the header block); a new `ssrc` means rebooted."""
        command = self.executor.record("get_sms", request.path, fault=fault)
        gateway = self.executor.gateway
        try:
            first = int(request.query.get("sms_id", "1"))
            number = int(request.query.get("sms_num", "0"))
        except ValueError:
            return finish(command, answer(15, "sms_id and sms_num must be numbers"))
        rows = [entry for entry in gateway.inbox if entry[0] >= first]
        rows = rows[:number] if number > 0 else rows
        data = [[0, str(place), at, who, "", base64.b64encode(t.encode()).decode()] for _, place, who, t, at in rows]
        following = rows[-1][0] + 1 if rows else first
        body = answer(0, ssrc=f"{gateway.name}-{gateway.boots}", sms_num=len(data), next_sms=following, data=data)
        return finish(command, body)
