"""The JSON command paths of API v3 (firmware 8.0d and later)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiohttp import web

from simwarden.simulator.commands import answer
from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.faults import FaultName
from simwarden.simulator.pages import Handler, Pages, finish, read_json, read_object
from simwarden.simulator.pages_v2 import SHORTEST_PERIOD
from simwarden.simulator.slot_addresses import SlotAddress
from simwarden.simulator.texting import check_task, read_text, sending, sending_slot

#: Path to operation, for the commands that take slots.
SLOT_COMMANDS = {"/lock_sims": "lock", "/unlock_sims": "unlock", "/switch_sims": "switch"}


class PagesV3(Pages):
    """Answers with HTTP status codes as well (200, 400, 401): inferred, the document prints only the good case."""

    def routes(self) -> list[web.RouteDef]:
        """The pages by their path."""
        pages: list[tuple[str, str, Callable[[web.Request, FaultName], Any]]] = [
            *(("POST", path, self.slot_command) for path in SLOT_COMMANDS),
            ("POST", "/reboot_modems", self.reboot_modems),
            ("POST", "/reboot_device", self.reboot_device),
            ("GET", "/get_device_status", self.get_device_status),
            ("GET", "/get_ports_status", self.get_ports_status),
            ("POST", "/submit_sms_tasks", self.submit_sms_tasks),
            ("POST", "/set_status_report_server", self.set_status_report_server),
        ]
        return [web.route(method, path, self._guard(page)) for method, path, page in pages]

    def _guard(self, page: Callable[[web.Request, FaultName], Any]) -> Handler:
        @wraps(page)
        async def guarded(request: web.Request) -> web.StreamResponse:
            fault, response = await self.faulty(request)
            if response is not None:
                return response
            if not self.authenticate(request):
                return finish(self.executor.record("login", request.path, fault=fault), answer(1), status=401)
            try:
                result: web.StreamResponse = await page(request, fault)
            except InvalidRequest as error:
                command = self.executor.record("invalid", request.path, fault=fault)
                return finish(command, answer(2, str(error)), status=400)
            return result

        return guarded

    async def slot_command(self, request: web.Request, fault: FaultName) -> web.Response:
        """`{"slots":[{"port":1,"slot":2}]}` or `{"slots_pattern":"1.02-32.08"}`; slots wins, neither is an error."""
        body = await read_object(request)
        command = self.executor.record(SLOT_COMMANDS[request.path], request.path, self._places(body), fault)
        finish(command, answer(200))
        self.executor.run(command, self._places(body))
        return web.json_response(answer(200))

    def _places(self, body: dict[str, Any]) -> list[SlotAddress]:
        slots = body.get("slots")
        if slots is None:
            if not body.get("slots_pattern"):
                raise InvalidRequest("slots or slots_pattern must be given")
            return self.every_slot(str(body["slots_pattern"]))
        try:
            return self.every_slot(",".join(f"{int(row['port'])}.{int(row['slot'])}" for row in slots))
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidRequest('slots must be a list like [{"port": 1, "slot": 2}]') from error

    async def reboot_modems(self, request: web.Request, fault: FaultName) -> web.Response:
        """Restart the modules of some ports."""
        body = await read_object(request)
        ports = body.get("ports")
        pattern = str(body.get("ports_pattern", "")) if ports is None else ",".join(str(port) for port in ports)
        places = self.every_slot(pattern)
        command = self.executor.record("reset", request.path, places, fault)
        finish(command, answer(200))
        self.executor.run(command, places)
        return web.json_response(answer(200))

    async def reboot_device(self, request: web.Request, fault: FaultName) -> web.Response:
        """Restart the whole device."""
        command = self.executor.record("reboot", request.path, fault=fault)
        self.executor.run(command, [])
        return finish(command, answer(200))

    async def get_device_status(self, request: web.Request, fault: FaultName) -> web.Response:
        """A dev-status with `expires` -1, as seen when polled."""
        command = self.executor.record("get_device_status", request.path, fault=fault)
        return finish(command, self.executor.gateway.dev_status("v3", expires=-1))

    async def get_ports_status(self, request: web.Request, fault: FaultName) -> web.Response:
        """A list of port-status, by `{"ports_pattern":"1,2"}` in the body of the GET; all ports without it."""
        body = await read_object(request)
        places = self.every_slot(str(body.get("ports_pattern") or "all"))
        command = self.executor.record("get_ports_status", request.path, places, fault)
        return finish(command, [self.executor.gateway.port_status(place, "v3") for place in places])

    async def submit_sms_tasks(self, request: web.Request, fault: FaultName) -> web.Response:
        """Take SMS tasks; what was sent is reported by `sms-sent-status` pushes."""
        tasks = await read_json(request)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise InvalidRequest("the body must be a list of tasks")
        command = self.executor.record("submit_sms_tasks", request.path, fault=fault)
        results = []
        for task in tasks:
            code = check_task(task, self.executor.tasks, keys=("id", "recipients"))
            if code == 0:
                place = sending_slot(self.executor, self.every_slot(str(task["from"])))
                command.slots.append(str(place))
                numbers = [str(number) for number in task["recipients"]]
                effect = sending(self.executor, tid=task["id"], place=place, numbers=numbers, text=read_text(task))
                self.executor.do_later(command, effect)
            results.append({"id": task.get("id", 0)} | answer(code))
        return finish(command, results)

    async def set_status_report_server(self, request: web.Request, fault: FaultName) -> web.Response:
        """`{"enable":true,"url":…,"period":60}`; the vendor's example misspells `enbale`, either is read."""
        body = await read_object(request)
        command = self.executor.record("set_status_report_server", request.path, fault=fault)
        enabled = bool(body.get("enable", body.get("enbale", True)))
        period = body.get("period", SHORTEST_PERIOD)
        if not isinstance(period, int) or not (period == 0 or period >= SHORTEST_PERIOD):
            return finish(command, answer(15, f"period must be 0 or at least {SHORTEST_PERIOD}"), status=400)
        if fault != "lie":
            self.configure_reports(str(body["url"]) if body.get("url") else None, period if enabled else 0)
        return finish(command, answer(200))
